#include <stdlib.h>
#include <string.h>

#include "askr_turn.h"

void askr_label_keep(askr_wire *w, askr_connection *c, askr_slice method, askr_slice path)
{
    uint8_t *label = c->label;
    if (c->is_under_way) /* since its body was waited for */
        return;
    c->is_under_way = 1;
    c->method_len = 0;
    c->path_len = 0;
    if (w->log == NULL)
        return;
    if (method.len + path.len > sizeof c->label) {
        label = malloc(method.len + path.len);
        if (label == NULL) { /* a line without a path is better than none */
            path.len = 0;
            method.len = method.len < sizeof c->label ? method.len : 0;
            label = c->label;
        } else {
            c->long_label = label;
            w->held_bytes += method.len + path.len;
        }
    }
    memcpy(label, method.at, method.len);
    memcpy(label + method.len, path.at, path.len);
    c->method_len = (uint16_t)method.len;
    c->path_len = (uint32_t)path.len;
}

void askr_label_drop(askr_wire *w, askr_connection *c)
{
    if (c->long_label != NULL) {
        w->held_bytes -= (uint64_t)c->method_len + c->path_len;
        free(c->long_label);
        c->long_label = NULL;
    }
    c->is_under_way = 0;
}

void askr_label_account(askr_wire *w, askr_connection *c, uint64_t unsent_bytes)
{
    const uint8_t *label = c->long_label != NULL ? c->long_label : c->label;
    if (!c->is_under_way)
        return;
    askr_account(w, c, (askr_slice){label, c->method_len}, (askr_slice){label + c->method_len, c->path_len},
                 unsent_bytes);
    askr_label_drop(w, c);
}
