#include "bridge/restored_state.h"
#include "bridge/session_erasure.h"
#include "bridge/session_row.h"
#include "bridge/sessions_impl.h"
#include "storage/base/log.h"

namespace wab::bridge {
namespace {

using storage::Kind;

constexpr size_t kPage = 200;

}  // namespace

Sessions::Sessions(Shards& shards, SessionWorld& world, const Config& config)
    : shards_(shards), world_(world), config_(config) {
  const double rate =
      static_cast<double>(config.whatsapp.connects_per_second) / static_cast<double>(shards.size());
  for (size_t i = 0; i < shards.size(); ++i) {
    state_.push_back(std::make_unique<Shard>(shards.executor(i), rate));
  }
}

Sessions::~Sessions() = default;

Sessions::Shard& Sessions::shard_of(const SessionId& id) {
  return *state_[shards_.shard_of(std::hash<SessionId>()(id))];
}

Sessions::EntryPtr Sessions::find(Shard& shard, const OrgId& org, const SessionId& id) {
  const auto it = shard.entries.find(id);
  if (it == shard.entries.end() || it->second->org.org() != org || it->second->erased) {
    return nullptr;
  }
  return it->second;
}

SessionView Sessions::view_of(const Entry& entry) const {
  SessionView out = entry.view;
  out.status = status_of(entry);
  return out;
}

// ---- On the session's shard
// ----------------------------------------------------------------------

awaitable<Outcome<Sessions::EntryPtr>> Sessions::add(Shard& shard, storage::OrgScope org,
                                                     SessionView settings) {
  auto entry = std::make_shared<Entry>(org, std::move(settings));
  const std::weak_ptr<Entry> weak = entry;
  const storage::Scope scope(org, entry->view.id);
  entry->context = std::make_unique<SessionContextImpl>(world_, scope, shard.executor, shard.budget,
                                                        entry->view.settings.proxy, [weak] {
                                                          if (const auto held = weak.lock()) {
                                                            ++held->version;
                                                            held->changed.notify_all();
                                                          }
                                                        });
  entry->session = session::make_session(*entry->context);
  shard.entries[entry->view.id] = entry;
  auto opened = co_await entry->session->open();
  if (!opened) {
    log_error("session.not_opened",
              {{"session", entry->view.id.text()}, {"error", opened.error()}});
    shard.entries.erase(entry->view.id);
    co_await entry->session->close();
    co_return refuse(problem_of(opened.error()));
  }
  co_return entry;
}

awaitable<Outcome<void>> Sessions::store(storage::OrgScope org, EntryPtr entry,
                                         std::vector<storage::Row> also) {
  entry->view.updated_at = world_.clock.now_ms();
  storage::Commit commit{storage::Scope(org)};
  commit.put.push_back(session_row(entry->view));
  for (auto& row : also) commit.put.push_back(std::move(row));
  auto written = co_await world_.store.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return Outcome<void>();
}

awaitable<Outcome<SessionView>> Sessions::do_create(Shard& shard, storage::OrgScope org,
                                                    SessionId id, SessionSettings settings,
                                                    std::vector<storage::Row> also) {
  if (shard.closing) co_return refuse(Code::stopping);
  SessionView view;
  view.id = id;
  view.settings = std::move(settings);
  view.created_at = view.updated_at = world_.clock.now_ms();
  view.restore_seen = restore_name(world_.restored);
  // The row first: a crash in between leaves a session that exists and is stopped.
  storage::Commit commit{storage::Scope(org)};
  commit.put.push_back(session_row(view));
  for (auto& row : also) commit.put.push_back(std::move(row));
  auto written = co_await world_.store.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  auto entry = co_await add(shard, org, std::move(view));
  if (!entry) co_return refuse(entry.error());
  co_return view_of(**entry);
}

awaitable<Outcome<SessionView>> Sessions::do_get(Shard& shard, OrgId org, SessionId id) {
  const auto entry = find(shard, org, id);
  if (!entry) co_return refuse(Code::not_found);
  co_return view_of(*entry);
}

awaitable<Outcome<SessionView>> Sessions::do_patch(Shard& shard, storage::OrgScope org,
                                                   SessionId id, SessionPatch patch) {
  const auto entry = find(shard, org.org(), id);
  if (!entry) co_return refuse(Code::not_found);
  if (patch.name) entry->view.settings.name = *patch.name;
  if (patch.metadata) entry->view.settings.metadata = *patch.metadata;
  if (patch.proxy) {
    entry->view.settings.proxy = *patch.proxy;
    entry->context->set_proxy(*patch.proxy);
  }
  std::vector<storage::Row> none;
  auto stored = co_await store(org, entry, std::move(none));
  if (!stored) co_return refuse(stored.error());
  co_return view_of(*entry);
}

awaitable<Outcome<void>> Sessions::do_erase(Shard& shard, storage::OrgScope org, SessionId id) {
  const auto entry = find(shard, org.org(), id);
  if (!entry) co_return refuse(Code::not_found);
  entry->erased = true;
  entry->changed.notify_all();
  (void)co_await entry->session->logout();
  co_await entry->session->close();
  storage::Store* const store = &world_.store;
  auto marked = co_await mark_session_erased(store, org, entry->view);
  if (!marked) co_return refuse(problem_of(marked.error()));
  auto erased = co_await finish_erasing_session(store, org, id);
  if (!erased) co_return refuse(problem_of(erased.error()));
  shard.entries.erase(id);
  co_return Outcome<void>();
}

awaitable<Outcome<void>> Sessions::do_wish(Shard& shard, storage::OrgScope org, SessionId id,
                                           Wish wish) {
  const auto entry = find(shard, org.org(), id);
  if (!entry) co_return refuse(Code::not_found);
  if (shard.closing) co_return refuse(Code::stopping);
  entry->view.wanted = wish == Wish::start || wish == Wish::restart;
  std::vector<storage::Row> none;
  auto stored = co_await store(org, entry, std::move(none));
  if (!stored) co_return refuse(stored.error());
  switch (wish) {
    case Wish::start:
      if (!entry->held_back) entry->session->start();
      break;
    case Wish::stop:
      entry->session->stop();
      break;
    case Wish::restart:
      if (!entry->held_back) entry->session->restart();
      break;
    case Wish::logout: {
      auto done = co_await entry->session->logout();
      if (!done) co_return refuse(problem_of(done.error()));
      if (entry->held_back) co_return co_await release(org, entry);
      break;
    }
  }
  co_return Outcome<void>();
}

awaitable<Outcome<PairingView>> Sessions::do_watch(Shard& shard, OrgId org, SessionId id,
                                                   uint64_t seen, SteadyTime deadline) {
  const auto entry = find(shard, org, id);
  if (!entry) co_return refuse(Code::not_found);
  while (entry->version == seen && !entry->erased && !shard.closing) {
    if (!co_await entry->changed.wait_until(deadline)) break;
  }
  if (entry->erased) co_return refuse(Code::not_found);
  PairingView out;
  out.version = entry->version;
  out.status = status_of(*entry);
  out.qr = entry->session->qr();
  co_return out;
}

awaitable<Outcome<session::PairingCodeView>> Sessions::do_pairing_code(Shard& shard, OrgId org,
                                                                       SessionId id,
                                                                       std::string phone) {
  const auto entry = find(shard, org, id);
  if (!entry) co_return refuse(Code::not_found);
  auto code = co_await entry->session->pairing_code(std::move(phone));
  if (!code) co_return refuse(problem_of(code.error()));
  co_return std::move(*code);
}

awaitable<Outcome<session::SendAccepted>> Sessions::do_send(Shard& shard, OrgId org, SessionId id,
                                                            MessageRowId message,
                                                            session::SendText text,
                                                            session::SendAlso also) {
  const auto entry = find(shard, org, id);
  if (!entry) co_return refuse(Code::not_found);
  if (entry->held_back) {
    co_return refuse(Code::not_working, "A backup was restored: see the session's reason.");
  }
  auto sent = co_await entry->session->send_text(message, std::move(text), std::move(also));
  if (!sent) co_return refuse(problem_of(sent.error()));
  co_return std::move(*sent);
}

awaitable<Outcome<session::MessageView>> Sessions::do_message(Shard& shard, OrgId org, SessionId id,
                                                              MessageRowId message) {
  const auto entry = find(shard, org, id);
  if (!entry) co_return refuse(Code::not_found);
  auto view = co_await entry->session->message(message);
  if (!view) co_return refuse(problem_of(view.error()));
  co_return std::move(*view);
}

awaitable<void> Sessions::do_close(Shard& shard) {
  shard.closing = true;
  // All at once: each of them has at most its running turn and one commit to finish.
  auto left = std::make_shared<size_t>(shard.entries.size());
  auto all = std::make_shared<Event>();
  for (auto& [id, entry] : shard.entries) {
    entry->changed.notify_all();
    struct Closer {
      static awaitable<void> run(EntryPtr what, std::shared_ptr<size_t> count,
                                 std::shared_ptr<Event> event) {
        co_await what->session->close();
        --*count;
        event->notify_all();
      }
    };
    spawn(shard.executor, Closer::run(entry, left, all), "sessions.close");
  }
  while (*left > 0) co_await all->wait();
  shard.entries.clear();
}

// ---- From any shard
// ------------------------------------------------------------------------------

awaitable<Outcome<SessionView>> Sessions::create(storage::OrgScope org, SessionId id,
                                                 SessionSettings settings,
                                                 std::vector<storage::Row> also) {
  Shard& shard = shard_of(id);
  std::function<awaitable<Outcome<SessionView>>()> work =
      [this, &shard, org, id, settings = std::move(settings), also = std::move(also)] {
        return do_create(shard, org, id, settings, also);
      };
  co_return co_await on<Outcome<SessionView>>(shard.executor, std::move(work));
}

awaitable<Outcome<SessionView>> Sessions::get(storage::OrgScope org, SessionId id) {
  Shard& shard = shard_of(id);
  std::function<awaitable<Outcome<SessionView>>()> work = [this, &shard, org, id] {
    return do_get(shard, org.org(), id);
  };
  co_return co_await on<Outcome<SessionView>>(shard.executor, std::move(work));
}

awaitable<Outcome<SessionDirectory::Page>> Sessions::list(storage::OrgScope org, std::string after,
                                                          size_t limit) {
  auto page = co_await world_.store.scan(org, Kind::session_config, std::move(after), limit);
  if (!page) co_return refuse(problem_of(page.error()));
  Page out;
  out.next = page->next;
  for (const auto& row : page->rows) {
    const auto id = SessionId::parse(row.key.name);
    if (!id) continue;
    auto view = co_await get(org, *id);
    if (view) {
      out.sessions.push_back(std::move(*view));
    } else if (auto stored = read_session_row(row.value)) {
      // Quarantined or not yet opened: it is there, and its status says that it does not run.
      stored->status.status = session::Status::failed;
      stored->status.reason = {"quarantined", "This session's stored data could not be opened.",
                               "See the service's log, then delete and pair the session again."};
      out.sessions.push_back(std::move(*stored));
    }
  }
  co_return out;
}

awaitable<Outcome<SessionView>> Sessions::patch(storage::OrgScope org, SessionId id,
                                                SessionPatch patch) {
  Shard& shard = shard_of(id);
  std::function<awaitable<Outcome<SessionView>>()> work =
      [this, &shard, org, id, patch = std::move(patch)] { return do_patch(shard, org, id, patch); };
  co_return co_await on<Outcome<SessionView>>(shard.executor, std::move(work));
}

awaitable<Outcome<void>> Sessions::erase(storage::OrgScope org, SessionId id) {
  Shard& shard = shard_of(id);
  std::function<awaitable<Outcome<void>>()> work = [this, &shard, org, id] {
    return do_erase(shard, org, id);
  };
  co_return co_await on<Outcome<void>>(shard.executor, std::move(work));
}

awaitable<Outcome<void>> Sessions::erase_organization(storage::OrgScope org) {
  for (;;) {
    auto page = co_await world_.store.scan(org, Kind::session_config, "", kPage);
    if (!page) co_return refuse(problem_of(page.error()));
    bool any = false;
    for (const auto& row : page->rows) {
      const auto id = SessionId::parse(row.key.name);
      if (!id) continue;
      auto erased = co_await erase(org, *id);
      if (!erased && erased.error().code != Code::not_found) co_return refuse(erased.error());
      any = any || erased.has_value();
    }
    if (!any) co_return Outcome<void>();
  }
}

awaitable<Outcome<void>> Sessions::wish(storage::OrgScope org, SessionId id, Wish wish) {
  Shard& shard = shard_of(id);
  std::function<awaitable<Outcome<void>>()> work = [this, &shard, org, id, wish] {
    return do_wish(shard, org, id, wish);
  };
  co_return co_await on<Outcome<void>>(shard.executor, std::move(work));
}

awaitable<Outcome<void>> Sessions::start(storage::OrgScope org, SessionId id) {
  return wish(org, id, Wish::start);
}
awaitable<Outcome<void>> Sessions::stop(storage::OrgScope org, SessionId id) {
  return wish(org, id, Wish::stop);
}
awaitable<Outcome<void>> Sessions::restart(storage::OrgScope org, SessionId id) {
  return wish(org, id, Wish::restart);
}
awaitable<Outcome<void>> Sessions::logout(storage::OrgScope org, SessionId id) {
  return wish(org, id, Wish::logout);
}

awaitable<Outcome<PairingView>> Sessions::watch(storage::OrgScope org, SessionId id, uint64_t seen,
                                                SteadyTime deadline) {
  Shard& shard = shard_of(id);
  std::function<awaitable<Outcome<PairingView>>()> work = [this, &shard, org, id, seen, deadline] {
    return do_watch(shard, org.org(), id, seen, deadline);
  };
  co_return co_await on<Outcome<PairingView>>(shard.executor, std::move(work));
}

awaitable<Outcome<session::PairingCodeView>> Sessions::pairing_code(storage::OrgScope org,
                                                                    SessionId id,
                                                                    std::string phone) {
  Shard& shard = shard_of(id);
  std::function<awaitable<Outcome<session::PairingCodeView>>()> work = [this, &shard, org, id,
                                                                        phone = std::move(phone)] {
    return do_pairing_code(shard, org.org(), id, phone);
  };
  co_return co_await on<Outcome<session::PairingCodeView>>(shard.executor, std::move(work));
}

awaitable<Outcome<session::SendAccepted>> Sessions::send_text(storage::OrgScope org, SessionId id,
                                                              MessageRowId message,
                                                              session::SendText text,
                                                              session::SendAlso also) {
  Shard& shard = shard_of(id);
  std::function<awaitable<Outcome<session::SendAccepted>>()> work =
      [this, &shard, org, id, message, text = std::move(text), also = std::move(also)] {
        return do_send(shard, org.org(), id, message, text, also);
      };
  co_return co_await on<Outcome<session::SendAccepted>>(shard.executor, std::move(work));
}

awaitable<Outcome<session::MessageView>> Sessions::message(storage::OrgScope org, SessionId id,
                                                           MessageRowId message) {
  Shard& shard = shard_of(id);
  std::function<awaitable<Outcome<session::MessageView>>()> work =
      [this, &shard, org, id, message] { return do_message(shard, org.org(), id, message); };
  co_return co_await on<Outcome<session::MessageView>>(shard.executor, std::move(work));
}

awaitable<Sessions::Counts> Sessions::count() {
  Counts out;
  for (auto& shard : state_) {
    Shard* one = shard.get();
    std::function<awaitable<Counts>()> work = [this, one] {
      struct Counter {
        static awaitable<Counts> run(const Sessions* all, Shard* where) {
          Counts counts;
          for (const auto& [id, entry] : where->entries) {
            const auto now = all->status_of(*entry);
            ++counts[{std::string(session::status_word(now.status)), now.reason.code}];
          }
          co_return counts;
        }
      };
      return Counter::run(this, one);
    };
    auto counts = co_await on<Counts>(one->executor, std::move(work));
    for (const auto& [state, number] : counts) out[state] += number;
  }
  co_return out;
}

awaitable<void> Sessions::close() {
  for (auto& shard : state_) {
    Shard* one = shard.get();
    std::function<awaitable<void>()> work = [this, one] { return do_close(*one); };
    co_await on<void>(one->executor, std::move(work));
  }
}

}  // namespace wab::bridge
