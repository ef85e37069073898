// What may be reached from here on behalf of somebody else: one set of rules, made from the
// configuration, for webhook targets, the keys of the identity provider and the proxies of
// sessions. Only what the operator configured is dialled without them: WhatsApp and the proxies.
#pragma once

#include "bridge/config.h"
#include "session/wire/dial.h"
#include "webhook/guard.h"
#include "webhook/http_client.h"
#include "webhook/target.h"

namespace wab::bridge {

webhook::Guard guard_of(const Config& config);
wire::AddressJudge judge_of(const Config& config);
webhook::TargetRules target_rules_of(const Config& config);
webhook::Egress egress_of(const Config& config);

}  // namespace wab::bridge
