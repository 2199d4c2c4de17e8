#ifndef ASKR_SITE_PARTS_H
#define ASKR_SITE_PARTS_H

#include "askr_fields.h"
#include "askr_file_cache.h"
#include "askr_path.h"

/* What a site is made of, for askr_site.c, askr_route.c and askr_static.c. */
struct askr_site {
    askr_tree tree;
    askr_file_cache cache;
    askr_media_types types;
    uint64_t now_mono_ns; /* of this request */
    int runs_scripts;
    uint32_t small_bytes;
    askr_script front_controller; /* filename.len 0: there is none */
    char *front_filename;
    askr_path path; /* of the request that is being routed */
    uint8_t
        fields[ASKR_FIELDS_BYTES + 64 + 64]; /* of an answer that has lines of its own: Content-Range, Content-Type */
};

typedef enum {
    ASKR_FOUND_NOTHING = 0, /* or something that is not given away */
    ASKR_FOUND_DIRECTORY,   /* somewhere: whether it is inside is not looked at */
    ASKR_FOUND_FILE,        /* inside, in *out; the cache keeps its reference */
    ASKR_FOUND_UNREADABLE,  /* a file, inside, that we may not open */
    ASKR_FOUND_UNKNOWN      /* Python has to look */
} askr_found;

/* What `path` is; a file is one that is looked at right now, from the cache where that is still so. */
askr_found askr_site_look(askr_site *s, const char *path, size_t len, askr_file_use use, askr_file **out);

#endif
