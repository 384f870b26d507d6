/* SPDX-License-Identifier: MIT */
/*
 * Lab 6: the power is cut at each moment of a stream of commits, and what is left is opened.
 *
 * The judge is the engine's own (tests/crash/README.md): it opens, it finds exactly one of the
 * states that may be found, a second opening finds the same, ten further commits work; and all that
 * again when recovery itself is cut short. VERSO_REPLAY=line makes one image alone.
 */
#include "tests/check_main.h"
#include "tests/crash/subject_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_IMAGES 3000 /* distinct, of one protocol over one memory */

struct verdict {
	char text[900]; /* "": all is well */
};

/* A signal of the code under test ends the process right after this: so it is printed too. */
static void on_image(void *arg, const struct crash_image *image)
{
	struct verdict *v = arg;

	if (!image->failure || v->text[0])
		return;
	(void)snprintf(v->text, sizeof(v->text),
		"%s%s, after a power cut %s(next in the commit: %s; next on the disk: %s; %u "
		"operations were not durable yet). This image alone: --replay '%s'",
		image->failure, image->error[0] ? image->error : "",
		image->depth > 1 ? "in recovery or right after it " : "", image->phase,
		image->next ? image->next : "nothing", image->n_pending, image->replay);
	printf("%s\n", v->text);
	(void)fflush(stdout);
}

static int config_of(const char *name)
{
	for (unsigned i = 0; i < STORE_CONFIGS_SAFE; i++)
		if (strcmp(store_configs[i].name, name) == 0)
			return (int)i;
	ck_abort_msg("no configuration %s", name);
}

static void survives(const char *config)
{
	const char *replay = getenv("VERSO_REPLAY");
	struct verdict v = {""};
	struct crash_options opts = {
		.seed = check_seed(),
		.n_images = N_IMAGES,
		.images_a_workload = 120,
		.second_one_in = 10,
		.second_images = 3,
		.failures_max = 1,
		.config = config_of(config),
		.replay = replay,
		.hook = {.image = on_image, .arg = &v},
	};
	struct crash_totals totals;

	ck_assert_msg(crash_run(&subject_store, &opts, &totals) == 0, "no replay line: %s",
		replay ? replay : "");
	ck_assert_msg(totals.n_failures == 0, "%s", v.text);
	ck_assert(replay || totals.n_decisions >= N_IMAGES);
	ck_assert(replay || totals.n_second > 0);
}

START_TEST(shadow_pool_survives_every_power_cut)
{
	survives("shadow-pool");
}
END_TEST

START_TEST(shadow_map_survives_every_power_cut)
{
	survives("shadow-map");
}
END_TEST

START_TEST(shadow_copied_survives_every_power_cut)
{
	survives("shadow-copied");
}
END_TEST

START_TEST(log_pool_survives_every_power_cut)
{
	survives("log-pool");
}
END_TEST

START_TEST(log_copied_survives_every_power_cut)
{
	survives("log-copied");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lab6_crash");
	TCase *tc = tcase_create("crash");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, shadow_pool_survives_every_power_cut);
	tcase_add_test(tc, shadow_map_survives_every_power_cut);
	tcase_add_test(tc, shadow_copied_survives_every_power_cut);
	tcase_add_test(tc, log_pool_survives_every_power_cut);
	tcase_add_test(tc, log_copied_survives_every_power_cut);
	suite_add_tcase(s, tc);
	return check_main(s);
}
