#include "askr_tally.h"

#define READ(name) out->name = atomic_load_explicit(&t->name, memory_order_relaxed)

void askr_tally_read(const askr_tally *t, askr_wire_counters *out)
{
    READ(accepted);
    READ(turned_away);
    READ(open);
    READ(away);
    READ(handed_over);
    READ(requests);
    for (int i = 0; i < 6; i++)
        READ(responses[i]);
    READ(body_bytes);
    READ(timeouts);
    READ(accept_pauses);
    READ(held_bytes);
    READ(log_dropped);
    READ(turns);
    READ(spool_failures);
}
