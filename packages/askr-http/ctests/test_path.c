#include "askr_path.h"
#include "askr_base.h"
#include "fence.h"

static fence input;
static askr_path path;

/* Parses a path that ends, and then begins, at an unreadable page. */
static int parse(const char *text, size_t len)
{
    int rc = ASKR_OK;
    for (int side = 0; side < 2; side++)
        rc = askr_path_parse(&path, (askr_slice){fence_copy(input, side, text, len), len});
    return rc;
}

static void test_a_path_is_decoded_and_split(void)
{
    static const struct {
        const char *raw, *text;
        uint32_t count, named;
        int is_directory, is_ambiguous;
    } cases[] = {
        {"/", "", 0, 0, 1, 0},
        {"/a", "a", 1, 1, 0, 0},
        {"/a/b/c.css", "a/b/c.css", 3, 3, 0, 0},
        {"//a//./b/", "a/b", 2, 2, 1, 0},
        {"/%61%2E%2e", "a..", 1, 1, 0, 0},
        {"/%2e%2E/a", "a", 1, 1, 0, 0},
        {"/a/..", "a", 1, 1, 1, 1},
        {"/a/%2e./b", "a/b", 2, 2, 0, 1},
        {"/a%2fb/c", "a/b/c", 2, 0, 0, 0},
        {"/a/b%5c/c", "a/b\\/c", 3, 1, 0, 0},
        {"/.env", ".env", 1, 0, 0, 0},
        {"/.well-known/x", ".well-known/x", 2, 2, 0, 0},
        {"/.well-known2/x", ".well-known2/x", 2, 0, 0, 0},
        {"/a/.b/c", "a/.b/c", 3, 1, 0, 0},
        {"/%", "%", 1, 1, 0, 0},
        {"/%4", "%4", 1, 1, 0, 0},
        {"/%zz", "%zz", 1, 1, 0, 0},
        {"/...", "...", 1, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_EQUAL(parse(cases[i].raw, strlen(cases[i].raw)), ASKR_OK);
        CHECK(path.len == strlen(cases[i].text) && memcmp(path.text, cases[i].text, path.len) == 0);
        CHECK_EQUAL(path.count, cases[i].count);
        CHECK_EQUAL(path.named, cases[i].named);
        CHECK_EQUAL(path.is_directory, cases[i].is_directory);
        CHECK_EQUAL(path.is_ambiguous, cases[i].is_ambiguous);
        CHECK(path.text[path.len] == '/' && path.text[path.len + 1] == '\0');
    }
}

static void test_a_prefix_is_a_c_string_until_it_is_mended(void)
{
    size_t len;
    CHECK_EQUAL(parse("/a.php/%2f/c/", 13), ASKR_OK);
    CHECK(strcmp(askr_path_prefix(&path, 1, &len), "a.php") == 0);
    CHECK_EQUAL(len, 5);
    askr_path_mend(&path, 1);
    askr_slice rest = askr_path_rest(&path, 1);
    CHECK(rest.len == 5 && memcmp(rest.at, "///c/", 5) == 0);
    CHECK(askr_name_is_script(askr_path_component(&path, 0)));
    CHECK(!askr_name_is_script(askr_path_component(&path, 2)));
}

static void test_paths_at_the_limit(void)
{
    static char text[ASKR_PATH_BYTES + 2];
    static const char *const fillings[] = {"a", "/", "a/", "/a", "%61", "../", "."};
    for (size_t i = 0; i < sizeof fillings / sizeof *fillings; i++) {
        for (size_t at = 0; at < sizeof text; at++)
            text[at] = fillings[i][at % strlen(fillings[i])];
        text[0] = '/';
        CHECK_EQUAL(parse(text, ASKR_PATH_BYTES), ASKR_OK);
        CHECK(path.count <= sizeof path.end / sizeof *path.end);
        CHECK_EQUAL(parse(text, ASKR_PATH_BYTES + 1), ASKR_E2BIG);
    }
    CHECK_EQUAL(parse("", 0), ASKR_EINVAL);
    CHECK_EQUAL(parse("*", 1), ASKR_EINVAL);
}

static void test_a_name_has_255_bytes_at_most(void)
{
    char text[258] = "/";
    memset(text + 1, 'a', 256);
    CHECK_EQUAL(parse(text, 256), ASKR_OK);
    CHECK_EQUAL(path.named, 1);
    CHECK_EQUAL(parse(text, 257), ASKR_OK);
    CHECK_EQUAL(path.named, 0);
}

static void test_any_bytes_stay_inside(void)
{
    static const char alphabet[] = "/./%2eEfaA.php\\\xff";
    uint64_t seed = 88172645463325252;
    for (int round = 0; round < 20000; round++) {
        char text[64];
        size_t len = 1 + random_next(&seed) % (sizeof text - 1);
        text[0] = '/';
        for (size_t i = 1; i < len; i++)
            text[i] = alphabet[random_next(&seed) % (sizeof alphabet - 1)];
        CHECK_EQUAL(parse(text, len), ASKR_OK);
        CHECK(path.len < len && path.named <= path.count && path.count <= len / 2);
        for (uint32_t i = 0; i < path.named; i++)
            CHECK(memchr(askr_path_component(&path, i).at, '/', askr_path_component(&path, i).len) == NULL);
    }
}

static void test_sources_and_leftovers_are_not_servable(void)
{
    static const char *const no[] = {"a.php",   "a.PHP",     "a.php7", "a.phps",       "a.phtml", "a.Phar",
                                     "x.inc",   "x~",        "x.bak",  ".orig",        "x.SWP",   "x.tmp",
                                     "a.php.x", "a.PhP.css", ".php.",  "a.old",        "x.b.bak", "x.phtm",
                                     "x.pht",   "x.rej",     "x.save", "x.php.tar.gz", "x.swo",   "~"};
    static const char *const yes[] = {"a.css", "a",     "a.phpx", "a.php77",  "phtml", "a.phpa", "a.bak2",
                                      "a.",    ".html", "a.inca", "aphp.css", "~a",    "a.php-"};
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        size_t len = strlen(no[i]);
        CHECK(!askr_name_is_servable((askr_slice){fence_copy(input, 1, no[i], len), len}));
    }
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        size_t len = strlen(yes[i]);
        CHECK(askr_name_is_servable((askr_slice){fence_copy(input, 1, yes[i], len), len}));
    }
}

int main(void)
{
    input = fence_new(2 * ASKR_PATH_BYTES);
    test_a_path_is_decoded_and_split();
    test_a_prefix_is_a_c_string_until_it_is_mended();
    test_paths_at_the_limit();
    test_a_name_has_255_bytes_at_most();
    test_any_bytes_stay_inside();
    test_sources_and_leftovers_are_not_servable();
    fence_free(input);
    return 0;
}
