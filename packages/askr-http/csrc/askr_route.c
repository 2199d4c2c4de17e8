#include "askr_site_parts.h"

#include <string.h>

#define UNUSED_NS (60 * UINT64_C(1000000000)) /* nginx: open_file_cache inactive=60s */

/*
 * The rules are those of askr_http.routing.route; the order of the looks is another one where that saves system calls and cannot change
 * the result: scripts come before the whole path, because below a regular file nothing exists, and a script's own name is never
 * given away as a file.
 */

static int is_read(const askr_request *rq)
{
    return rq->method_id == ASKR_METHOD_GET || rq->method_id == ASKR_METHOD_HEAD;
}

static void to_answer(askr_route *out, askr_answer_id answer, const char *allow)
{
    out->kind = ASKR_ROUTE_ANSWER;
    out->answer = answer;
    out->allow = (askr_slice){(const uint8_t *)allow, strlen(allow)};
}

static void to_front_controller(const askr_site *s, askr_route *out)
{
    if (s->front_controller.filename.len == 0) {
        to_answer(out, ASKR_ANSWER_NOT_FOUND, "");
        return;
    }
    out->kind = ASKR_ROUTE_SCRIPT;
    out->script = s->front_controller;
}

static void to_script(const askr_file *f, askr_slice path_info, askr_route *out)
{
    const uint8_t *filename = (const uint8_t *)f->names;
    out->kind = ASKR_ROUTE_SCRIPT;
    out->script.filename = (askr_slice){filename, f->path_at + f->path_len};
    out->script.name = (askr_slice){filename + f->path_at - 1, f->path_len + 1};
    out->script.path_info = path_info;
}

/* A file, or what stands in its way.  1: that is the route; 0: nothing was found. */
static int to_file(const askr_request *rq, askr_found found, askr_file *f, askr_route *out)
{
    if (found == ASKR_FOUND_UNKNOWN)
        return 1; /* DEFER */
    if (found != ASKR_FOUND_FILE && found != ASKR_FOUND_UNREADABLE)
        return 0;
    if (!is_read(rq)) {
        to_answer(out, ASKR_ANSWER_METHOD_NOT_ALLOWED, "GET, HEAD");
        return 1;
    }
    if (found == ASKR_FOUND_UNREADABLE) {
        to_answer(out, ASKR_ANSWER_FORBIDDEN, "");
        return 1;
    }
    f->references++;
    out->kind = ASKR_ROUTE_FILE;
    out->file = f;
    return 1;
}

/* The first prefix "*.php" that is a regular file.  1: that is the route. */
static int find_script(askr_site *s, askr_route *out)
{
    askr_path *p = &s->path;
    for (uint32_t count = 1; count <= p->named; count++) {
        if (!askr_name_is_script(askr_path_component(p, count - 1)))
            continue;
        askr_file *f;
        size_t len;
        const char *path = askr_path_prefix(p, count, &len);
        askr_found found = askr_site_look(s, path, len, ASKR_USE_PIN, &f);
        askr_path_mend(p, count);
        if (found == ASKR_FOUND_NOTHING)
            return 0; /* and nothing is below it */
        if (found == ASKR_FOUND_FILE)
            to_script(f, askr_path_rest(p, count), out);
        if (found != ASKR_FOUND_DIRECTORY)
            return 1;
    }
    return 0;
}

/* Looks for `name` in the directory that the path names. */
static askr_found look_below(askr_site *s, const char *name, askr_file_use use, askr_file **out)
{
    askr_path *p = &s->path;
    size_t len = p->len > 0 ? p->len + 1 : 0, name_len = strlen(name);
    memcpy(p->text + len, name, name_len + 1); /* behind the slash that is there */
    askr_found found = askr_site_look(s, p->text, len + name_len, use, out);
    p->text[p->len] = '/';
    p->text[p->len + 1] = '\0';
    return found;
}

/*
 * A directory with an index.  Where the index is a file that was opened beneath the root, so was the directory.
 * Without a slash at the end the answer is a redirect: Python's.
 */
static int find_index(askr_site *s, const askr_request *rq, askr_route *out)
{
    askr_file *f;
    askr_found found = look_below(s, "index.php", ASKR_USE_PIN, &f);
    if (found == ASKR_FOUND_FILE && !s->runs_scripts)
        return 0;
    if (found == ASKR_FOUND_FILE && s->path.is_directory)
        to_script(f, (askr_slice){NULL, 0}, out);
    if (found == ASKR_FOUND_FILE || found == ASKR_FOUND_UNKNOWN || found == ASKR_FOUND_UNREADABLE)
        return 1;
    found = look_below(s, "index.html", ASKR_USE_SEND, &f);
    if (s->path.is_directory)
        return to_file(rq, found, f, out);
    return found == ASKR_FOUND_FILE || found == ASKR_FOUND_UNREADABLE || found == ASKR_FOUND_UNKNOWN;
}

/* A file or directory that has exactly the path's name.  1: that is the route. */
static int find_existing(askr_site *s, const askr_request *rq, askr_route *out)
{
    askr_path *p = &s->path;
    if (p->count == 0)
        return find_index(s, rq, out);
    if (!p->is_directory && !askr_name_is_servable(askr_path_component(p, p->count - 1)))
        return 0;
    askr_file *f = NULL;
    askr_found found;
    if (p->is_directory) {
        found = ASKR_FOUND_DIRECTORY; /* if it is none, no index is below it */
    } else {
        size_t len;
        const char *path = askr_path_prefix(p, p->count, &len);
        found = askr_site_look(s, path, len, ASKR_USE_SEND, &f);
        askr_path_mend(p, p->count);
    }
    return found == ASKR_FOUND_DIRECTORY ? find_index(s, rq, out) : to_file(rq, found, f, out);
}

/* Once a second: is the root still the root, and which files has nobody asked for any more? */
static void look_at_the_clock(askr_site *s, uint64_t now_mono_ns)
{
    s->now_mono_ns = now_mono_ns;
    askr_tree_news news = askr_tree_turn(&s->tree, now_mono_ns);
    if (news == ASKR_TREE_OTHER)
        (void)askr_file_cache_evict(&s->cache, UINT32_MAX);
    else if (news == ASKR_TREE_SAME && now_mono_ns > UNUSED_NS)
        askr_file_cache_expire(&s->cache, now_mono_ns - UNUSED_NS);
}

void askr_site_route(askr_site *s, const askr_request *rq, uint64_t now_mono_ns, askr_route *out)
{
    *out = (askr_route){.kind = ASKR_ROUTE_DEFER};
    look_at_the_clock(s, now_mono_ns);
    if (askr_path_parse(&s->path, rq->raw_path) != ASKR_OK)
        return;
    if (s->path.is_ambiguous) {
        to_front_controller(s, out);
        return;
    }
    if (s->runs_scripts && find_script(s, out))
        return;
    if (s->path.named == s->path.count && find_existing(s, rq, out))
        return;
    to_front_controller(s, out);
}
