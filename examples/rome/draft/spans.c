/* spans: reads "start end" lines, prints how many whole numbers they cover. */
#include <stdio.h>
#include <stdlib.h>

struct span { long start, end; };

static int by_start(const void *left, const void *right)
{
    const struct span *a = left, *b = right;
    return (a->start > b->start) - (a->start < b->start);
}

int main(void)
{
    struct span spans[1024];
    size_t count = 0;
    while (count < 1024 && scanf("%ld %ld", &spans[count].start, &spans[count].end) == 2)
        count++;
    qsort(spans, count, sizeof spans[0], by_start);

    long covered = 0, reached = 0;
    for (size_t i = 0; i < count; i++) {
        long from = i > 0 && spans[i].start < reached ? reached : spans[i].start;
        if (spans[i].end > from) {
            covered += spans[i].end - from;
            reached = spans[i].end;
        }
    }
    printf("%ld\n", covered);
    return 0;
}
