#ifndef ASKR_PATH_H
#define ASKR_PATH_H

#include "askr_slice.h"

/*
 * The path of a request, decoded and split as askr_http.routing does it: component by component, so that `%2f` never becomes a separator;
 * `.`, `..` and empty components name nothing and are dropped.
 *
 * What is kept is one text, "a/b/c", and where each component ends in it.  Components behind `named` may hold slashes of their own;
 * no name is made of them.
 */
#define ASKR_PATH_BYTES 2048 /* a longer path is deferred; PATH_MAX is 4096, and browsers stop at about 2000 */

typedef struct {
    uint32_t len;   /* of text */
    uint32_t count; /* components */
    uint32_t named; /* how many of them, from the first on, can be names of something that is routed to */
    int is_directory;
    int is_ambiguous;                    /* `..` stands behind a name: never resolved (askr_http.routing says why) */
    uint16_t end[ASKR_PATH_BYTES / 2];   /* of component i: where it ends in text */
    char text[ASKR_PATH_BYTES + 2 + 16]; /* a `/` behind the last component, and room for the name of an index */
} askr_path;

/* ASKR_OK; ASKR_E2BIG: the path is too long; ASKR_EINVAL: it does not start with a slash. */
int askr_path_parse(askr_path *p, askr_slice raw_path);

/*
 * The first `count` components as a C string (count from 1 to named), its length in *len.  It is made in place:
 * askr_path_mend undoes it, and only one prefix is out at a time.
 */
const char *askr_path_prefix(askr_path *p, uint32_t count, size_t *len);
void askr_path_mend(askr_path *p, uint32_t count);

/* Component i, from 0 on. */
askr_slice askr_path_component(const askr_path *p, uint32_t i);
/* What follows the first `count` components, as PATH_INFO: "", "/x", "/x/". */
askr_slice askr_path_rest(const askr_path *p, uint32_t count);

/* Whether a file of that name may be given away as bytes (askr_http.routing.is_servable). */
int askr_name_is_servable(askr_slice name);
/* Whether it ends with ".php", in lower case. */
int askr_name_is_script(askr_slice name);

#endif
