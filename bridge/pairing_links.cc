#include "bridge/pairing_links.h"

#include <algorithm>

#include "bridge/stored.h"

namespace wab::bridge {

using nlohmann::json;
using storage::Key;
using storage::Kind;

// A link's row with what leads to it.
struct PairingLinks::Found {
  storage::OrgScope org;
  PairingLink link;
  std::string secret, visit;  // names of the rows in the deployment
  UnixMillis visit_expires_at = 0;
};

namespace {

constexpr int64_t kForgetMs = 24 * 3600 * 1000;  // how long a spent link is listed

json encode(const PairingLink& link, const std::string& secret, const std::string& visit,
            UnixMillis visit_expires_at) {
  return {{"v", 1},
          {"id", link.id.text()},
          {"session", link.session.text()},
          {"created_at", link.created_at},
          {"expires_at", link.expires_at},
          {"opened_at", link.opened_at},
          {"secret", secret},
          {"visit", visit},
          {"visit_expires_at", visit_expires_at}};
}

json lead(const storage::OrgScope& org, const LinkId& id) {
  return {{"v", 1}, {"org", org.org().text()}, {"link", id.text()}};
}

std::string random_text(Random& random) { return to_base64url(random.array<32>()); }

class Claim {
 public:
  Claim(InFlight& table, uint64_t key) : table_(table), key_(key | 1) {
    held_ = table_.claim(key_) == InFlight::Answer::claimed;
  }
  ~Claim() {
    if (held_) table_.release(key_);
  }
  Claim(const Claim&) = delete;
  bool held() const { return held_; }

 private:
  InFlight& table_;
  uint64_t key_;
  bool held_;
};

}  // namespace

PairingLinks::PairingLinks(storage::Store& store, const storage::ScopeIssuer& scopes, Clock& clock,
                           Random& random)
    : store_(store), scopes_(scopes), clock_(clock), random_(random) {}

std::string PairingLinks::hash(std::string_view purpose, std::string_view text) const {
  return to_hex(store_.keyed_hash(scopes_.deployment(), purpose, view(text)));
}

PairingLinks::Draft PairingLinks::draft(SessionId session, std::chrono::seconds life) {
  Draft out;
  out.link.id = LinkId::random(random_);
  out.link.session = session;
  out.link.created_at = clock_.now_ms();
  out.link.expires_at = out.link.created_at + life.count() * 1000;
  out.secret = random_text(random_);
  return out;
}

std::optional<PairingLinks::Found> PairingLinks::decode(storage::OrgScope org, const json& stored) {
  const auto id = LinkId::parse(text_at(stored, "id"));
  const auto session = SessionId::parse(text_at(stored, "session"));
  if (!id || !session) return std::nullopt;
  Found out{org, {}, {}, {}, number_at(stored, "visit_expires_at")};
  out.link.id = *id;
  out.link.session = *session;
  out.link.created_at = number_at(stored, "created_at");
  out.link.expires_at = number_at(stored, "expires_at");
  out.link.opened_at = number_at(stored, "opened_at");
  out.secret = text_at(stored, "secret");
  out.visit = text_at(stored, "visit");
  return out;
}

awaitable<Outcome<std::vector<PairingLinks::Found>>> PairingLinks::all(storage::OrgScope org) {
  std::vector<Found> out;
  std::string after;
  do {
    auto page = co_await store_.scan(org, Kind::pairing_link, after, 200);
    if (!page) co_return refuse(problem_of(page.error()));
    for (const auto& row : page->rows) {
      const auto stored = parse_stored(row.value);
      if (!stored) continue;
      auto found = decode(org, *stored);
      if (found) out.push_back(std::move(*found));
    }
    after = page->next;
  } while (!after.empty());
  co_return out;
}

awaitable<Outcome<void>> PairingLinks::forget(storage::OrgScope org, std::vector<Found> links) {
  if (links.empty()) co_return Outcome<void>();
  storage::Commit own{storage::Scope(org)};
  storage::Commit leads{storage::Scope(scopes_.deployment())};
  for (const auto& one : links) {
    own.erase.push_back(Key{Kind::pairing_link, one.link.id.text()});
    leads.erase.push_back(Key{Kind::pairing_secret, one.secret});
    if (!one.visit.empty()) leads.erase.push_back(Key{Kind::pairing_visit, one.visit});
  }
  auto first = co_await store_.commit(std::move(own));
  if (!first) co_return refuse(problem_of(first.error()));
  auto second = co_await store_.commit(std::move(leads));
  if (!second) co_return refuse(problem_of(second.error()));
  co_return Outcome<void>();
}

awaitable<Outcome<void>> PairingLinks::store(storage::OrgScope org, Draft draft,
                                             std::vector<storage::Row> also) {
  auto present = co_await all(org);
  if (!present) co_return refuse(present.error());
  const auto now = clock_.now_ms();
  std::vector<Found> old;
  size_t live = 0;
  for (auto& one : *present) {
    if (now >= std::max(one.link.expires_at, one.visit_expires_at) + kForgetMs) {
      old.push_back(std::move(one));
    } else if (one.link.opened_at == 0 && now < one.link.expires_at) {
      ++live;
    }
  }
  if (live >= kLiveLinks) co_return refuse(Code::limit_reached);
  auto forgotten = co_await forget(org, std::move(old));
  if (!forgotten) co_return refuse(forgotten.error());

  const std::string name = hash("pairing link", draft.secret);
  storage::Commit leads{storage::Scope(scopes_.deployment())};
  leads.put.push_back(json_row(Kind::pairing_secret, name, lead(org, draft.link.id)));
  auto first = co_await store_.commit(std::move(leads));
  if (!first) co_return refuse(problem_of(first.error()));
  storage::Commit own{storage::Scope(org)};
  own.put.push_back(
      json_row(Kind::pairing_link, draft.link.id.text(), encode(draft.link, name, "", 0)));
  for (auto& row : also) own.put.push_back(std::move(row));
  auto second = co_await store_.commit(std::move(own));
  if (!second) co_return refuse(problem_of(second.error()));
  co_return Outcome<void>();
}

awaitable<Outcome<std::vector<PairingLink>>> PairingLinks::list(storage::OrgScope org,
                                                                SessionId session) {
  auto present = co_await all(org);
  if (!present) co_return refuse(present.error());
  std::vector<PairingLink> out;
  for (const auto& one : *present) {
    if (one.link.session == session) out.push_back(one.link);
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return a.created_at > b.created_at; });
  co_return out;
}

awaitable<Outcome<void>> PairingLinks::revoke(storage::OrgScope org, SessionId session, LinkId id) {
  auto present = co_await all(org);
  if (!present) co_return refuse(present.error());
  std::vector<Found> gone;
  for (auto& one : *present) {
    if (one.link.id == id && one.link.session == session) gone.push_back(std::move(one));
  }
  if (gone.empty()) co_return refuse(Code::not_found);
  auto done = co_await forget(org, std::move(gone));
  co_return done;
}

// From a row of the deployment to the link it names.
awaitable<Outcome<PairingLinks::Found>> PairingLinks::follow(Kind kind, std::string name) {
  auto found = co_await load_one(store_, scopes_.deployment(), kind, name);
  if (!found) co_return refuse(problem_of(found.error()));
  if (!*found) co_return refuse(Code::not_found);
  const auto org_id = OrgId::parse(text_at(**found, "org"));
  const auto id = LinkId::parse(text_at(**found, "link"));
  if (!org_id || !id) co_return refuse(Code::not_found);
  const auto org = scopes_.organization(*org_id);
  std::string link_name = id->text();
  auto stored = co_await load_one(store_, org, Kind::pairing_link, std::move(link_name));
  // The organization may have been erased, keys and all: its links are as unknown as any other.
  if (!stored || !*stored) co_return refuse(Code::not_found);
  auto out = decode(org, **stored);
  if (!out) co_return refuse(Code::not_found);
  co_return std::move(*out);
}

awaitable<Outcome<PairingLinks::Opened>> PairingLinks::open(std::string secret) {
  const std::string name = hash("pairing link", secret);
  // Two browsers with the same link: one of them is too late, whichever.
  const auto raw = from_hex(std::string_view(name).substr(0, 16));
  const Claim claim(opening_, raw ? read_be64(*raw) : 1);
  if (!claim.held()) co_return refuse(Code::not_found);
  auto found = co_await follow(Kind::pairing_secret, name);
  if (!found) co_return refuse(found.error());
  const auto now = clock_.now_ms();
  if (found->link.opened_at != 0 || now >= found->link.expires_at || found->secret != name) {
    co_return refuse(Code::not_found);
  }
  Opened out{{found->org, found->link.session, found->link.id, now + kVisitLifeMs},
             random_text(random_)};
  const std::string visit = hash("pairing visit", out.cookie);
  storage::Commit leads{storage::Scope(scopes_.deployment())};
  leads.erase.push_back(Key{Kind::pairing_secret, name});
  leads.put.push_back(json_row(Kind::pairing_visit, visit, lead(found->org, found->link.id)));
  auto first = co_await store_.commit(std::move(leads));
  if (!first) co_return refuse(problem_of(first.error()));
  found->link.opened_at = now;
  storage::Commit own{storage::Scope(found->org)};
  own.put.push_back(json_row(Kind::pairing_link, found->link.id.text(),
                             encode(found->link, name, visit, out.visit.expires_at)));
  auto second = co_await store_.commit(std::move(own));
  if (!second) co_return refuse(problem_of(second.error()));
  co_return out;
}

awaitable<Outcome<PairingLinks::Visit>> PairingLinks::visit(std::string cookie) {
  const std::string name = hash("pairing visit", cookie);
  auto found = co_await follow(Kind::pairing_visit, name);
  if (!found) co_return refuse(found.error());
  if (!equal_constant_time(view(found->visit), view(name)) ||
      clock_.now_ms() >= found->visit_expires_at) {
    co_return refuse(Code::not_found);
  }
  co_return Visit{found->org, found->link.session, found->link.id, found->visit_expires_at};
}

}  // namespace wab::bridge
