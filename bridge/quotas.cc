#include "bridge/quotas.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bridge/stored.h"

namespace wab::bridge {

using nlohmann::json;
using storage::Kind;
using storage::OrgScope;

namespace {

constexpr int64_t kLimitsFreshMs = 30'000, kBytesFreshMs = 60'000, kDayMs = 86'400'000;
constexpr size_t kPage = 500;

size_t index_of(Quota quota) { return static_cast<size_t>(quota); }

QuotaValues presets(const Config& config) {
  const auto& limits = config.limits;
  return {limits.sessions_per_organization,
          limits.webhooks_per_organization,
          limits.tokens_per_organization,
          limits.users_per_organization,
          limits.messages_per_day,
          limits.messages_stored,
          limits.storage_bytes};
}

}  // namespace

Quotas::Quotas(storage::Store& store, Clock& clock, const Config& config, OrgScope deployment)
    : store_(store), clock_(clock), config_(config), deployment_(deployment) {}

Quotas::Known& Quotas::known(const OrgScope& org) { return known_[org.org()]; }

void Quotas::forget(OrgId org) {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(org);
  if (found != known_.end()) found->second.limits.reset();
}

awaitable<Outcome<QuotaValues>> Quotas::limits(OrgScope org) {
  const auto now = clock_.now_ms();
  {
    const std::lock_guard lock(mutex_);
    const auto& have = known(org);
    if (have.limits && now < have.limits_at + kLimitsFreshMs) co_return *have.limits;
  }
  const std::string name = org.org().text();
  auto stored = co_await load_one(store_, deployment_, Kind::organization, name);
  if (!stored) co_return refuse(problem_of(stored.error()));
  QuotaValues values = presets(config_);
  if (*stored && (**stored).contains("limits")) {
    const auto& overrides = (**stored)["limits"];
    for (size_t i = 0; i < kQuotas; ++i) {
      const std::string word(kQuotaWords[i]);
      if (overrides.contains(word)) values[i] = number_at(overrides, word.c_str());
    }
  }
  const std::lock_guard lock(mutex_);
  auto& have = known(org);
  have.limits = values;
  have.limits_at = now;
  co_return values;
}

awaitable<Outcome<int64_t>> Quotas::count_rows(OrgScope org, Kind kind) {
  int64_t count = 0;
  std::string after;
  do {
    auto page = co_await store_.scan(org, kind, after, kPage);
    if (!page) co_return refuse(problem_of(page.error()));
    count += static_cast<int64_t>(page->rows.size());
    after = page->next;
  } while (!after.empty());
  co_return count;
}

awaitable<Outcome<void>> Quotas::read_counts(OrgScope org) {
  {
    const std::lock_guard lock(mutex_);
    if (known(org).counted) co_return Outcome<void>();
  }
  const std::string none;
  auto stored = co_await load_one(store_, org, Kind::usage, none);
  if (!stored) co_return refuse(problem_of(stored.error()));
  const std::lock_guard lock(mutex_);
  auto& have = known(org);
  if (have.counted) co_return Outcome<void>();
  have.counted = true;
  if (*stored) {
    have.day = number_at(**stored, "day");
    have.sent = number_at(**stored, "sent");
    have.stored = number_at(**stored, "stored");
  }
  co_return Outcome<void>();
}

storage::Row Quotas::usage_row(Known& have, int64_t day) const {
  if (have.day != day) {
    have.day = day;
    have.sent = 0;
  }
  const json row = {{"v", 1}, {"day", day}, {"sent", have.sent}, {"stored", have.stored}};
  return json_row(Kind::usage, "", row);
}

awaitable<Outcome<int64_t>> Quotas::used(OrgScope org, Quota quota) {
  Kind kind = Kind::token;
  switch (quota) {
    case Quota::sessions:
      kind = Kind::session_config;
      break;
    case Quota::webhooks:
      kind = Kind::endpoint;
      break;
    case Quota::tokens:
      break;
    case Quota::users:
      kind = Kind::member;
      break;
    case Quota::messages_per_day:
    case Quota::messages_stored: {
      auto read = co_await read_counts(org);
      if (!read) co_return refuse(read.error());
      const std::lock_guard lock(mutex_);
      const auto& have = known(org);
      if (quota == Quota::messages_stored) co_return have.stored;
      co_return have.day == clock_.now_ms() / kDayMs ? have.sent : int64_t{0};
    }
    case Quota::storage_bytes: {
      const auto now = clock_.now_ms();
      {
        const std::lock_guard lock(mutex_);
        const auto& have = known(org);
        if (have.bytes_at != 0 && now < have.bytes_at + kBytesFreshMs) co_return have.bytes;
      }
      auto bytes = co_await store_.stored_bytes(org);
      if (!bytes) co_return refuse(problem_of(bytes.error()));
      const std::lock_guard lock(mutex_);
      auto& have = known(org);
      have.bytes = static_cast<int64_t>(*bytes);
      have.bytes_at = now;
      co_return have.bytes;
    }
  }
  auto rows = co_await count_rows(org, kind);
  co_return rows;
}

awaitable<Outcome<QuotaValues>> Quotas::usage(OrgScope org) {
  QuotaValues out{};
  for (size_t i = 0; i < kQuotas; ++i) {
    auto one = co_await used(org, static_cast<Quota>(i));
    if (!one) co_return refuse(one.error());
    out[i] = *one;
  }
  co_return out;
}

awaitable<Outcome<void>> Quotas::room(OrgScope org, Quota quota) {
  auto most = co_await limits(org);
  if (!most) co_return refuse(most.error());
  auto have = co_await used(org, quota);
  if (!have) co_return refuse(have.error());
  const auto limit = (*most)[index_of(quota)];
  if (*have < limit) co_return Outcome<void>();
  const std::string word(kQuotaWords[index_of(quota)]);
  co_return refuse(Code::limit_reached, "limits." + word + ": " + std::to_string(*have) + " of " +
                                            std::to_string(limit) +
                                            " are used. Free some, or ask the operator for more.");
}

awaitable<Outcome<storage::Row>> Quotas::count_message(OrgScope org) {
  for (const auto quota : {Quota::messages_per_day, Quota::messages_stored, Quota::storage_bytes}) {
    auto free = co_await room(org, quota);
    if (!free) co_return refuse(free.error());
  }
  const std::lock_guard lock(mutex_);
  auto& have = known(org);
  const auto day = clock_.now_ms() / kDayMs;
  if (have.day != day) {
    have.day = day;
    have.sent = 0;
  }
  ++have.sent;
  ++have.stored;
  co_return usage_row(have, day);
}

void Quotas::take_back_message(OrgScope org) {
  const std::lock_guard lock(mutex_);
  auto& have = known(org);
  have.sent = std::max<int64_t>(0, have.sent - 1);
  have.stored = std::max<int64_t>(0, have.stored - 1);
}

awaitable<Outcome<void>> Quotas::recount(OrgScope org) {
  auto read = co_await read_counts(org);
  if (!read) co_return refuse(read.error());
  auto rows = co_await count_rows(org, Kind::message_index);
  if (!rows) co_return refuse(rows.error());
  storage::Commit commit{storage::Scope(org)};
  {
    const std::lock_guard lock(mutex_);
    auto& have = known(org);
    if (have.stored == *rows) co_return Outcome<void>();
    have.stored = *rows;
    commit.put.push_back(usage_row(have, clock_.now_ms() / kDayMs));
  }
  auto written = co_await store_.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return Outcome<void>();
}

}  // namespace wab::bridge
