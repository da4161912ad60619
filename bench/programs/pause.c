/* Says that it runs, then does nothing, for ever. */
#include "kernel.h"

void _start(void)
{
    kernel(WRITE, 1, (long)"r", 1);
    for (;;)
        kernel(PAUSE, 0, 0, 0);
}
