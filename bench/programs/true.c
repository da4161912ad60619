/* Ends at once. For peers whose root is not the host's, where there is no /bin/true. */
#include "kernel.h"

void _start(void)
{
    kernel(EXIT, 0, 0, 0);
    __builtin_unreachable();
}
