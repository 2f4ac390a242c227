/* Preloaded into a process with Python: ends it where an object is let go by a thread without the interpreter's lock.

   Triton's Python backend does that in places. Python 3.12 mostly crashes then; older ones go on with harmed memory.
   Built with: cc -shared -fPIC -o watch.so watch.c -ldl */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void _Py_Dealloc(void *object) {
    static int (*held)(void);
    static void (*next)(void *);
    if (!next) {
        held = (int (*)(void))dlsym(RTLD_NEXT, "PyGILState_Check");
        next = (void (*)(void *))dlsym(RTLD_NEXT, "_Py_Dealloc");
    }
    if (!held()) {
        void *frames[32];
        dprintf(STDERR_FILENO, "LOCK WATCH: an object was let go without the interpreter's lock\n");
        backtrace_symbols_fd(frames, backtrace(frames, 32), STDERR_FILENO);
        abort();
    }
    next(object);
}
