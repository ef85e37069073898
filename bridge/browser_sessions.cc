#include "bridge/browser_sessions.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <nlohmann/json.hpp>

#include "bridge/browser.h"
#include "bridge/stored.h"

namespace wab::bridge {

using nlohmann::json;
using storage::Key;
using storage::Kind;

namespace {

constexpr int64_t kCoarseMs = 60'000;

bool ended(const json& session, UnixMillis now) {
  return now >= number_at(session, "created_at") + kBrowserLifeMs ||
         now >= number_at(session, "seen_at") + kBrowserIdleMs;
}

bool names(const UserRecord& user, std::string_view name) {
  return std::find(user.sessions.begin(), user.sessions.end(), name) != user.sessions.end();
}

}  // namespace

std::string coarse_address(std::string_view text) {
  namespace ip = boost::asio::ip;
  boost::system::error_code ec;
  const auto address = ip::make_address(std::string(text), ec);
  if (ec) return {};
  if (address.is_v4() || address.to_v6().is_v4_mapped()) {
    auto raw =
        (address.is_v4() ? address.to_v4() : ip::make_address_v4(ip::v4_mapped, address.to_v6()))
            .to_bytes();
    raw[3] = 0;
    return ip::address_v4(raw).to_string() + "/24";
  }
  auto raw = address.to_v6().to_bytes();
  std::fill(raw.begin() + 6, raw.end(), 0);
  return ip::address_v6(raw).to_string() + "/48";
}

// The first that fits: what imitates the others stands before them.
std::string short_agent(std::string_view agent) {
  constexpr std::pair<std::string_view, std::string_view> kBrowsers[] = {
      {"Edg", "Edge"},           {"OPR/", "Opera"},     {"Firefox/", "Firefox"},
      {"FxiOS/", "Firefox"},     {"CriOS/", "Chrome"},  {"HeadlessChrome/", "Chrome"},
      {"Chromium/", "Chromium"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}};
  constexpr std::pair<std::string_view, std::string_view> kSystems[] = {
      {"Android", "Android"}, {"iPhone", "iOS"},    {"iPad", "iOS"},   {"Windows", "Windows"},
      {"Mac OS X", "macOS"},  {"CrOS", "ChromeOS"}, {"Linux", "Linux"}};
  std::string out;
  for (const auto& [mark, name] : kBrowsers) {
    if (out.empty() && agent.find(mark) != std::string_view::npos) out = name;
  }
  if (out.empty()) {
    // A program: its own first word, if that is plain.
    for (const char c : agent.substr(0, std::min<size_t>(agent.find_first_of("/ "), 32))) {
      const bool plain = std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
      if (plain) out += c;
    }
  }
  for (const auto& [mark, name] : kSystems) {
    if (agent.find(mark) == std::string_view::npos) continue;
    return (out.empty() ? std::string() : out + " on ") + std::string(name);
  }
  return out;
}

SignInFacts facts_of(const Request& request) {
  return {coarse_address(request.address), short_agent(request.header("user-agent")),
          cookie_of(request)};
}

std::string BrowserSessions::name_of(std::string_view cookie) const {
  return to_hex(store_.keyed_hash(users_.deployment(), "browser", view(cookie)));
}

awaitable<Outcome<UserRecord>> BrowserSessions::user_of(std::string cookie, bool quietly) {
  const std::string name = name_of(cookie);
  auto stored = co_await load_one(store_, users_.deployment(), Kind::browser_session, name);
  if (!stored) co_return refuse(problem_of(stored.error()));
  const auto now = clock_.now_ms();
  if (!*stored || ended(**stored, now)) co_return refuse(Code::unauthenticated);
  json session = std::move(**stored);
  std::string email = text_at(session, "user");
  auto user = co_await users_.by_email(std::move(email));
  if (!user) co_return refuse(user.error());
  if (!*user || (*user)->disabled || !names(**user, name)) co_return refuse(Code::unauthenticated);

  // Coarse, so that a busy page does not write a row per request. A session that ends meanwhile
  // leaves a row that its user does not name.
  if (!quietly && now >= number_at(session, "seen_at") + kCoarseMs) {
    session["seen_at"] = now;
    auto commit = users_.commit();
    commit.put.push_back(json_row(Kind::browser_session, name, session));
    auto written = co_await store_.commit(std::move(commit));
    if (!written) co_return refuse(problem_of(written.error()));
  }
  co_return std::move(**user);
}

awaitable<Outcome<std::string>> BrowserSessions::open(UserRecord user, SignInFacts facts) {
  std::string cookie = to_base64url(random_.array<32>());
  const std::string name = name_of(cookie);
  const auto now = clock_.now_ms();
  auto live = co_await list(user);
  if (!live) co_return refuse(live.error());
  auto commit = users_.commit();
  // Newest first; what is not among them has ended, and is taken away here.
  std::vector<std::string> kept;
  for (const auto& one : *live) {
    if (kept.size() + 1 < kMostBrowserSessions) kept.push_back(one.name);
  }
  std::reverse(kept.begin(), kept.end());
  for (const auto& old : user.sessions) {
    if (std::find(kept.begin(), kept.end(), old) == kept.end()) {
      commit.erase.push_back(Key{Kind::browser_session, old});
    }
  }
  kept.push_back(name);
  user.sessions = std::move(kept);
  const json session = {{"v", 1},
                        {"id", BrowserSessionId::random(random_).text()},
                        {"user", user.email},
                        {"created_at", now},
                        {"seen_at", now},
                        {"address", facts.address},
                        {"agent", facts.agent}};
  commit.put.push_back(json_row(Kind::browser_session, name, session));
  auto written = co_await users_.write(std::move(user), std::move(commit));
  if (!written) co_return refuse(written.error());
  co_return std::move(cookie);
}

awaitable<Outcome<std::vector<BrowserSession>>> BrowserSessions::list(UserRecord user) {
  std::vector<BrowserSession> out;
  if (user.sessions.empty()) co_return out;
  std::vector<Key> keys;
  for (const auto& name : user.sessions) keys.push_back(Key{Kind::browser_session, name});
  auto rows = co_await store_.load(users_.deployment(), std::move(keys));
  if (!rows) co_return refuse(problem_of(rows.error()));
  const auto now = clock_.now_ms();
  for (size_t i = rows->size(); i > 0; --i) {
    const auto& row = (*rows)[i - 1];
    const auto stored = row ? parse_stored(*row) : std::nullopt;
    const auto id = stored ? BrowserSessionId::parse(text_at(*stored, "id")) : std::nullopt;
    if (!id || ended(*stored, now)) continue;
    BrowserSession one;
    one.id = *id;
    one.name = user.sessions[i - 1];
    one.address = text_at(*stored, "address");
    one.agent = text_at(*stored, "agent");
    one.created_at = number_at(*stored, "created_at");
    one.seen_at = number_at(*stored, "seen_at");
    out.push_back(std::move(one));
  }
  co_return out;
}

awaitable<Outcome<void>> BrowserSessions::close(UserRecord user, std::string name) {
  auto commit = users_.commit();
  std::erase(user.sessions, name);
  commit.erase.push_back(Key{Kind::browser_session, std::move(name)});
  auto written = co_await users_.write(std::move(user), std::move(commit));
  co_return written;
}

void BrowserSessions::forget_all(UserRecord& user, std::string_view keep, storage::Commit& into) {
  std::vector<std::string> kept;
  for (auto& name : user.sessions) {
    if (name == keep) {
      kept.push_back(std::move(name));
    } else {
      into.erase.push_back(Key{Kind::browser_session, std::move(name)});
    }
  }
  user.sessions = std::move(kept);
}

awaitable<Outcome<void>> BrowserSessions::close_cookie(std::string cookie) {
  const auto turn = co_await users_.turn();
  std::string name = name_of(cookie);
  auto stored = co_await load_one(store_, users_.deployment(), Kind::browser_session, name);
  if (!stored) co_return refuse(problem_of(stored.error()));
  if (!*stored) co_return Outcome<void>();
  std::string email = text_at(**stored, "user");
  auto user = co_await users_.by_email(std::move(email));
  if (!user) co_return refuse(user.error());
  if (!*user) co_return Outcome<void>();
  auto closed = co_await close(std::move(**user), std::move(name));
  co_return closed;
}

}  // namespace wab::bridge
