/* allocations.so: loaded with LD_PRELOAD it counts what a program asks the allocator for (malloc, calloc, realloc and
 * the aligned kinds), and at the program's end writes the count to the file that ALLOCATIONS_LOG names. glibc only. */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* glibc's own names for what is wrapped here. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static atomic_ulong allocations;

static void count(void)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
}

void *malloc(size_t size)
{
    count();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    count();
    return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size)
{
    count();
    return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size)
{
    count();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    *memory = memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}

__attribute__((destructor)) static void write_count(void)
{
    const char *path = getenv("ALLOCATIONS_LOG");
    unsigned long counted = atomic_load(&allocations);
    FILE *log = path ? fopen(path, "w") : NULL;
    if (log) {
        fprintf(log, "%lu allocations\n", counted);
        fclose(log);
    }
}
