/* What the part of glibc that is linked into every program had before version 2.33, which made functions of its shared
 * part of these. */
#ifdef __x86_64__
#define LAYOUT 1
#else
#define LAYOUT 0
#endif

int __xstat64(int layout, const char *path, void *into);
int __lxstat64(int layout, const char *path, void *into);
int __fxstat64(int layout, int file, void *into);

int stat64(const char *path, void *into) { return __xstat64(LAYOUT, path, into); }
int lstat64(const char *path, void *into) { return __lxstat64(LAYOUT, path, into); }
int fstat64(int file, void *into) { return __fxstat64(LAYOUT, file, into); }
