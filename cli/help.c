/* The help pages. docs/man/tokenmgr.1 tells the same at more length. */
#include "command.h"

#include <string.h>

static const char general[] =
    "Usage: tokenmgr COMMAND [OPTIONS]\n"
    "\n"
    "Gives shell scripts an API token that is good now: logs in, refreshes ahead of\n"
    "expiry, and recovers when the server has revoked a token.\n"
    "\n"
    "Commands\n"
    "  request METHOD URL   send an API call and print the answer's body\n"
    "  token                print an access token that is good now\n"
    "  status               say for how long the token is good, and what it took\n"
    "  login                log in now, whatever token is held\n"
    "  logout               revoke the tokens at the server and forget them\n"
    "  key                  print a new key for an encrypted token store\n"
    "  jwt [TOKEN]          show what a token says and whether it has expired; offline\n"
    "\n"
    "Options\n"
    "  -v, --verbose        show on stderr what the library does; -vv: in detail\n"
    "  -h, --help           this page; with a command, that command's page\n"
    "      --version        the library's version\n"
    "\n"
    "Settings come from the environment; there is no option for a password, for\n"
    "arguments are visible to every user of the machine.\n"
    "  TOKENMGR_HOST        https://api.example.com, maybe with a path prefix\n"
    "  TOKENMGR_USERNAME    or TOKENMGR_USERNAME_FILE, a file that holds it\n"
    "  TOKENMGR_PASSWORD    or TOKENMGR_PASSWORD_FILE, a file that holds it\n"
    "  TOKENMGR_OPTIONS     the library's options, as one JSON object\n"
    "\n"
    "Tokens are kept from one command to the next, encrypted, in $XDG_STATE_HOME/tokenmgr\n"
    "(~/.local/state/tokenmgr), unless TOKENMGR_OPTIONS names another store, and while\n"
    "that one cannot be used.\n"
    "\n"
    "Exit codes\n"
    "   0  done                                1  jwt --check: the token has expired\n"
    "   2  wrong usage, options or URL         3  credentials rejected, or login suspended\n"
    "   4  this IP address is not whitelisted  5  network, TLS or timeout\n"
    "   6  rate limited                        7  server error or unusable answer\n"
    "   8  another 4xx, with request --fail    9  the token store failed\n"
    "  10  not a JWT                          11  a file could not be read or written\n"
    "  12  internal error                 128+n  ended by signal n (130: Ctrl-C)\n"
    "\n"
    "Examples\n"
    "  tokenmgr request GET /api/v1/products | jq '.data[].name'\n"
    "  tokenmgr token --bearer | curl -H @- \"$TOKENMGR_HOST/api/v1/products\"\n"
    "  curl -H \"Authorization: Bearer $(tokenmgr token)\" \"$TOKENMGR_HOST/api/v1/products\"\n";

static const char request[] =
    "Usage: tokenmgr request [OPTIONS] METHOD URL\n"
    "\n"
    "Sends METHOD to URL with a good token and prints the answer's body. URL is a path\n"
    "that starts with /, or an absolute URL of the host or of an allowed origin. A 401\n"
    "is recovered from; any other answer is printed, an error too, unless --fail.\n"
    "\n"
    "  -d, --data BODY       send BODY; @FILE: the bytes of FILE; @-: those of stdin.\n"
    "                        Its type is application/json unless a header says otherwise.\n"
    "                        More than 1 MiB from a pipe is not sent again after a 401\n"
    "  -H, --header 'N: V'   send this header too; may be given many times\n"
    "  -i, --include         print the status and the headers before the body\n"
    "  -o, --output FILE     write to FILE, which gets its name when it is complete; -: to\n"
    "                        stdout, as it arrives. Answers of any size, but with -i\n"
    "  -f, --fail            a 4xx or 5xx answer prints no body, but its error on stderr,\n"
    "                        and exits with its code: 3, 4, 6, 7 or 8\n"
    "      --timeout SECONDS for the whole call, waiting for a token included (2.5 is fine)\n"
    "\n"
    "Examples\n"
    "  tokenmgr request --fail -o products.json GET /api/v1/products\n"
    "  tokenmgr request --fail -o export.tar --timeout 600 GET /api/v1/export\n"
    "  jq -n '{sku: \"A1\", quantity: 2}' | tokenmgr request -f -d @- POST /api/v1/orders\n"
    "  if ! tokenmgr request -f GET /api/v1/products; then case $? in 4) ...; esac; fi\n";

static const char token[] =
    "Usage: tokenmgr token [--bearer]\n"
    "\n"
    "Prints an access token that is good now. It logs in or refreshes where that is due.\n"
    "\n"
    "      --bearer          print the whole header, \"Authorization: Bearer TOKEN\"\n"
    "\n"
    "The safest way to curl is a pipe, for arguments are visible in ps:\n"
    "  tokenmgr token --bearer | curl -H @- https://api.example.com/api/v1/products\n";

static const char jwt[] =
    "Usage: tokenmgr jwt [-q] [--check] [TOKEN | -]\n"
    "\n"
    "Prints the token's payload as JSON, and on stderr whether it has expired. Without\n"
    "TOKEN, or with -, the token is read from stdin. No signature is checked, and\n"
    "nothing is sent.\n"
    "\n"
    "  -q, --quiet           say nothing about the expiry\n"
    "      --check           print no payload; exit with 0 if it is good and 1 if it has\n"
    "                        expired or says no expiry\n"
    "\n"
    "Example\n"
    "  tokenmgr token | tokenmgr jwt -q | jq .exp\n";

static const char status[] =
    "Usage: tokenmgr status [--json]\n"
    "\n"
    "Gets a token the way a call would, logging in if it must, and says for how long it\n"
    "is good and what it took. Says also if what the token store held was of no use, as\n"
    "where other machines seal it with another key.\n"
    "\n"
    "      --json            print the statistics only, as JSON\n";

static const char login[] =
    "Usage: tokenmgr login\n"
    "\n"
    "Logs in now, whatever token is held, and puts the new tokens into the store.\n";

static const char logout[] =
    "Usage: tokenmgr logout\n"
    "\n"
    "Revokes the tokens at the server, every token of the account, and takes them out of\n"
    "the store. Where nothing is held, nothing is sent.\n";

static const char key[] =
    "Usage: tokenmgr key\n"
    "\n"
    "Prints a new random key of 256 bits, in base64, for the option store.key. Nothing is\n"
    "sent, and nothing is kept.\n"
    "\n"
    "Example\n"
    "  (umask 077 && tokenmgr key > /etc/shop/tokens.key)\n";

void print_help(const char *command) {
    static const struct {
        const char *name, *page;
    } pages[] = {
        {"request", request}, {"token", token}, {"jwt", jwt}, {"status", status}, {"login", login}, {"logout", logout},
        {"key", key},
    };
    for (size_t i = 0; command && i < sizeof pages / sizeof *pages; i++) {
        if (strcmp(pages[i].name, command) == 0) {
            fputs(pages[i].page, stdout);
            return;
        }
    }
    fputs(general, stdout);
}
