#include "../../askr-shm/ctests/testing.h"
#include "askr_slots.h"

/* A number finds its record as long as that is taken and never again, records stay where they are, and there are as many as were asked for. */

enum { COUNT = 150, ROUNDS = 200000 };

typedef struct {
    uint64_t number;
    uint8_t rest[100];
} record;

static void a_number_finds_its_record_and_no_other(void)
{
    uint64_t numbers[COUNT] = {0}, gone[COUNT] = {0}, random = 3;
    record *records[COUNT] = {0};
    uint32_t used = 0;
    askr_slots *s;
    CHECK_EQUAL(askr_slots_create(COUNT, sizeof(record), &s), ASKR_OK);
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t i = random_next(&random) % COUNT;
        if (records[i] == NULL) {
            records[i] = askr_slots_take(s, &numbers[i]);
            CHECK(records[i] != NULL && numbers[i] >> 32 != 0);
            CHECK_EQUAL(records[i]->number, 0); /* of the former life nothing is left */
            CHECK_EQUAL((uintptr_t)records[i] % 64, 0);
            records[i]->number = numbers[i];
            used++;
        } else if (random_next(&random) % 2 == 0) {
            CHECK(askr_slots_find(s, numbers[i]) == records[i]);
            CHECK(records[i]->number == numbers[i]);
        } else {
            askr_slots_release(s, numbers[i]);
            gone[i] = numbers[i];
            records[i] = NULL;
            used--;
        }
        CHECK(gone[i] == 0 || askr_slots_find(s, gone[i]) == NULL);
        CHECK_EQUAL(askr_slots_used(s), used);
    }
    askr_slots_destroy(s);
}

static void there_are_no_more_than_were_asked_for(void)
{
    uint64_t number, first;
    askr_slots *s;
    CHECK_EQUAL(askr_slots_create(65, sizeof(record), &s), ASKR_OK);
    CHECK(askr_slots_take(s, &first) != NULL);
    for (int i = 1; i < 65; i++)
        CHECK(askr_slots_take(s, &number) != NULL);
    CHECK(askr_slots_take(s, &number) == NULL);
    askr_slots_release(s, first);
    askr_slots_release(s, first); /* twice is once */
    CHECK_EQUAL(askr_slots_used(s), 64);
    CHECK(askr_slots_take(s, &number) != NULL);
    CHECK(number != first && (uint32_t)number == (uint32_t)first);
    CHECK(askr_slots_take(s, &number) == NULL);
    askr_slots_destroy(s);
}

static void a_walk_sees_each_taken_record_once(void)
{
    uint64_t numbers[COUNT];
    uint32_t at = 0, seen = 0;
    askr_slots *s;
    record *r;
    CHECK_EQUAL(askr_slots_create(COUNT, sizeof(record), &s), ASKR_OK);
    CHECK(askr_slots_walk(s, &at) == NULL);
    for (int i = 0; i < COUNT; i++)
        ((record *)askr_slots_take(s, &numbers[i]))->number = numbers[i];
    for (int i = 0; i < COUNT; i += 3)
        askr_slots_release(s, numbers[i]);
    for (at = 0; (r = askr_slots_walk(s, &at)) != NULL; seen++)
        askr_slots_release(s, r->number); /* as a walk that closes does */
    CHECK_EQUAL(seen, COUNT - COUNT / 3);
    CHECK_EQUAL(askr_slots_used(s), 0);
    askr_slots_destroy(s);
}

static void a_number_from_nowhere_finds_nothing(void)
{
    static const uint64_t numbers[] = {0, 1, UINT64_MAX, 1ull << 32, 3ull << 32, 2ull << 32, (1ull << 32) + 5};
    uint64_t number;
    askr_slots *s;
    CHECK_EQUAL(askr_slots_create(4, sizeof(record), &s), ASKR_OK);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        CHECK(askr_slots_find(s, numbers[i]) == NULL);
    CHECK(askr_slots_take(s, &number) != NULL);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        CHECK(numbers[i] == number || askr_slots_find(s, numbers[i]) == NULL);
    askr_slots_destroy(s);
    CHECK_EQUAL(askr_slots_create(0, 8, &s), ASKR_EINVAL);
    CHECK_EQUAL(askr_slots_create(8, 0, &s), ASKR_EINVAL);
    askr_slots_destroy(NULL);
}

int main(void)
{
    a_number_finds_its_record_and_no_other();
    there_are_no_more_than_were_asked_for();
    a_walk_sees_each_taken_record_once();
    a_number_from_nowhere_finds_nothing();
    printf("ok\n");
    return 0;
}
