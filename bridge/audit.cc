#include "bridge/audit.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bridge/stored.h"
#include "storage/base/log.h"
#include "storage/base/shards.h"

namespace wab::bridge {

using nlohmann::json;
using storage::Kind;
using storage::OrgScope;

namespace {

constexpr size_t kBatch = 64, kPage = 256, kChainsKept = 1024;
constexpr const char* kHead = "head";

std::string entry_name(uint64_t seq) { return "e" + std::to_string(seq); }
std::string anchor_name(const OrgScope& chain) { return "chain " + chain.org().text(); }

json head_json(const AuditHead& head) { return {{"v", 1}, {"seq", head.seq}, {"hash", head.hash}}; }

// A shipped log (bridge/OPERATIONS.md) holds the chain's links where the chain itself is not, so
// that whoever rewrites one is contradicted by the other. Ids only: who tried to sign in stays
// here.
void tell(const OrgScope& chain, const AuditEntry& entry, const AuditHead& link) {
  const bool id = entry.actor.starts_with("usr_") || entry.actor.starts_with("tok_");
  log_info("audit.entry", {{"organization", chain.org().text()},
                           {"seq", link.seq},
                           {"hash", link.hash},
                           {"action", entry.action},
                           {"outcome", entry.outcome},
                           {"actor", id ? entry.actor : std::string()},
                           {"request", entry.request}});
}

}  // namespace

struct Audit::Waiting {
  AuditEntry entry;
  bool done = false;
  Outcome<void> outcome;
};

struct Audit::Chain {
  std::deque<std::shared_ptr<Waiting>> queue;
  std::optional<AuditHead> head;  // nothing: to be read
  bool writing = false;
  Event turn;
};

struct Audit::Home {
  explicit Home(any_io_executor on) : executor(std::move(on)) {}
  any_io_executor executor;
  std::map<OrgId, std::shared_ptr<Chain>> chains;
};

Audit::Audit(storage::Store& store, Clock& clock, OrgScope deployment,
             std::vector<any_io_executor> homes)
    : store_(store), clock_(clock), deployment_(deployment) {
  for (auto& home : homes) homes_.push_back(std::make_unique<Home>(std::move(home)));
}

Audit::~Audit() = default;

Audit::Home& Audit::home_of(const OrgScope& chain) {
  return *homes_[std::hash<OrgId>()(chain.org()) % homes_.size()];
}

awaitable<Outcome<void>> Audit::append(OrgScope chain, AuditEntry entry) {
  if (entry.at == 0) entry.at = clock_.now_ms();
  Home& home = home_of(chain);
  std::function<awaitable<Outcome<void>>()> work = [this, &home, chain, entry = std::move(entry)] {
    return do_append(home, chain, entry);
  };
  auto done = co_await on<Outcome<void>>(home.executor, std::move(work));
  co_return done;
}

// Whoever finds nobody writing writes for all that wait, until its own entry is down.
awaitable<Outcome<void>> Audit::do_append(Home& home, OrgScope chain, AuditEntry entry) {
  auto& slot = home.chains[chain.org()];
  if (!slot) slot = std::make_shared<Chain>();
  const auto state = slot;
  const auto own = std::make_shared<Waiting>();
  own->entry = std::move(entry);
  state->queue.push_back(own);
  while (!own->done) {
    if (state->writing) {
      co_await state->turn.wait();
      continue;
    }
    state->writing = true;
    std::vector<std::shared_ptr<Waiting>> batch;
    while (!state->queue.empty() && batch.size() < kBatch) {
      batch.push_back(std::move(state->queue.front()));
      state->queue.pop_front();
    }
    std::vector<AuditEntry> entries;
    for (auto& one : batch) entries.push_back(std::move(one->entry));
    auto written = co_await write(*state, chain, std::move(entries));
    for (auto& one : batch) {
      one->done = true;
      one->outcome = written;
    }
    state->writing = false;
    state->turn.notify_all();
  }
  const bool idle = !state->writing && state->queue.empty() && !state->turn.has_waiters();
  if (idle && home.chains.size() > kChainsKept) home.chains.erase(chain.org());
  co_return own->outcome;
}

awaitable<Outcome<void>> Audit::write(Chain& state, OrgScope chain,
                                      std::vector<AuditEntry> entries) {
  if (!state.head) {
    auto stored = co_await read_head(chain);
    if (!stored) co_return refuse(stored.error());
    state.head = std::move(*stored);
  }
  AuditHead head = *state.head;
  const auto before = head.seq;
  storage::Commit commit{storage::Scope(chain)};
  std::vector<AuditHead> links;
  for (const auto& entry : entries) {
    storage::Row row;
    const std::string line = audit_line(entry, head);
    links.push_back(head);
    row.key.kind = Kind::audit;
    row.key.name = entry_name(head.seq);
    row.value = to_bytes(line);
    commit.put.push_back(std::move(row));
  }
  commit.put.push_back(json_row(Kind::audit, kHead, head_json(head)));
  auto written = co_await store_.commit(std::move(commit));
  if (!written) {
    state.head.reset();
    co_return refuse(problem_of(written.error()));
  }
  state.head = head;
  for (size_t i = 0; i < entries.size(); ++i) tell(chain, entries[i], links[i]);
  if (before == 0 || before / kAnchorEvery != head.seq / kAnchorEvery) {
    auto anchored = co_await anchor(chain, head);
    if (!anchored) co_return refuse(anchored.error());
  }
  co_return Outcome<void>();
}

awaitable<Outcome<void>> Audit::anchor(OrgScope chain, AuditHead head) {
  if (chain == deployment_) co_return Outcome<void>();
  storage::Commit commit{storage::Scope(deployment_)};
  commit.put.push_back(json_row(Kind::audit, anchor_name(chain), head_json(head)));
  auto written = co_await store_.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return Outcome<void>();
}

awaitable<Outcome<AuditHead>> Audit::read_head(OrgScope chain) {
  const std::string name = kHead;
  auto stored = co_await load_one(store_, chain, Kind::audit, name);
  if (!stored) co_return refuse(problem_of(stored.error()));
  AuditHead head;
  if (*stored) {
    head.seq = static_cast<uint64_t>(number_at(**stored, "seq"));
    head.hash = text_at(**stored, "hash");
  }
  co_return head;
}

awaitable<Outcome<AuditHead>> Audit::head(OrgScope chain) {
  auto head = co_await read_head(chain);
  co_return head;
}

awaitable<Outcome<std::vector<std::string>>> Audit::lines(OrgScope chain, uint64_t after,
                                                          size_t limit) {
  auto end = co_await read_head(chain);
  if (!end) co_return refuse(end.error());
  std::vector<std::string> out;
  while (out.size() < limit && after < end->seq) {
    const auto more = std::min<uint64_t>({kPage, limit - out.size(), end->seq - after});
    std::vector<storage::Key> keys(more);
    for (auto& key : keys) {
      key.kind = Kind::audit;
      key.name = entry_name(++after);
    }
    auto rows = co_await store_.load(chain, std::move(keys));
    if (!rows) co_return refuse(problem_of(rows.error()));
    for (const auto& row : *rows) {
      // Missing or foreign: told by verify(), never papered over.
      out.push_back(row ? to_string(*row) : std::string());
    }
  }
  co_return out;
}

awaitable<Outcome<void>> Audit::forget(OrgScope chain) {
  Home& home = home_of(chain);
  std::function<awaitable<void>()> work = [&home, chain] { return drop(home, chain.org()); };
  co_await on<void>(home.executor, std::move(work));
  storage::Commit commit{storage::Scope(deployment_)};
  storage::Key key;
  key.kind = Kind::audit;
  key.name = anchor_name(chain);
  commit.erase.push_back(std::move(key));
  auto written = co_await store_.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return Outcome<void>();
}

awaitable<void> Audit::drop(Home& home, OrgId org) {
  home.chains.erase(org);
  co_return;
}

awaitable<Outcome<Audit::Verdict>> Audit::verify(OrgScope chain) {
  Verdict out;
  auto end = co_await read_head(chain);
  if (!end) {
    if (end.error().code != Code::internal) co_return refuse(end.error());
    out.wrong = "the head does not open";
    co_return out;
  }
  const std::string anchor = anchor_name(chain);
  auto anchored = co_await load_one(store_, deployment_, Kind::audit, anchor);
  if (!anchored) co_return refuse(problem_of(anchored.error()));
  const auto anchor_seq = *anchored ? static_cast<uint64_t>(number_at(**anchored, "seq")) : 0;
  const auto anchor_hash = *anchored ? text_at(**anchored, "hash") : std::string();
  if (anchor_seq > end->seq) {
    out.wrong = "the chain ends with entry " + std::to_string(end->seq) +
                ", but the deployment knows entry " + std::to_string(anchor_seq);
    co_return out;
  }
  AuditJudge judge;
  while (judge.last().seq < end->seq) {
    std::vector<storage::Key> keys(std::min<uint64_t>(kPage, end->seq - judge.last().seq));
    for (size_t i = 0; i < keys.size(); ++i) {
      keys[i].kind = Kind::audit;
      keys[i].name = entry_name(judge.last().seq + 1 + i);
    }
    auto rows = co_await store_.load(chain, std::move(keys));
    const std::string from = std::to_string(judge.last().seq + 1);
    if (!rows) {
      out.wrong = "an entry at or behind " + from + " does not open";
      co_return out;
    }
    for (const auto& row : *rows) {
      const std::string which = "entry " + std::to_string(judge.last().seq + 1);
      out.wrong = row ? judge.next(text(*row)) : which + " is missing";
      if (out.wrong) co_return out;
      if (judge.last().seq == anchor_seq && judge.last().hash != anchor_hash) {
        out.wrong = which + " is not the one that the deployment knows";
        co_return out;
      }
    }
  }
  out.head = judge.last();
  if (judge.last().hash != end->hash) out.wrong = "the head does not belong to the last entry";
  if (out.wrong) co_return out;
  // Entries behind the head: somebody set it back.
  std::string after;
  uint64_t rows = 0;
  do {
    auto page = co_await store_.scan(chain, Kind::audit, after, kPage);
    if (!page) {
      out.wrong = "a row of the log does not open";
      co_return out;
    }
    for (const auto& row : page->rows) rows += row.key.name.starts_with('e') ? 1 : 0;
    after = page->next;
  } while (!after.empty());
  if (rows != end->seq) {
    out.wrong = "there are " + std::to_string(rows) + " entries, but the head says " +
                std::to_string(end->seq);
  }
  co_return out;
}

std::string Audit::name_of(const OrgScope& chain) const {
  return chain == deployment_ ? "deployment" : chain.org().text();
}

AuditMac Audit::mac_of(OrgScope chain) const {
  return [this, chain](std::string_view bytes) {
    return to_hex(store_.keyed_hash(chain, "audit export", view(bytes)));
  };
}

}  // namespace wab::bridge
