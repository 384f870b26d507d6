/* SPDX-License-Identifier: MIT */
/* The table of replacement policies, by the list of policies.h. */
#include "bufpool/policies.h"
#include "bufpool/policy.h"

#define POLICY(NAME, name) extern const struct policy_ops policy_##name;
BUFPOOL_POLICIES(POLICY)
#undef POLICY

#define POLICY(NAME, name) [BUFPOOL_##NAME] = &policy_##name,
const struct policy_ops *const bufpool_policies[N_POLICIES] = {BUFPOOL_POLICIES(POLICY)};
