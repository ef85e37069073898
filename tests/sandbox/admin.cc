#include "tests/sandbox/admin.h"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "tests/sandbox/admin_json.h"

namespace wab::sandbox {
namespace {

constexpr std::chrono::milliseconds kLookAgain{20};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
        hex_digit(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> out;
  while (true) {
    const size_t end = text.find(at);
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

// The parts that stand for {} of `pattern`, or nothing.
std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view path) {
  const auto wanted = split(pattern, '/');
  const auto given = split(path, '/');
  if (wanted.size() != given.size()) return std::nullopt;
  std::vector<std::string> out;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == "{}") {
      out.push_back(decoded(given[i]));
    } else if (wanted[i] != given[i]) {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace

wire::HttpResponse json_response(int status, const nlohmann::json& body) {
  wire::HttpResponse out;
  out.status = status;
  out.headers.set("content-type", "application/json");
  // Contents come from devices under test: what is not UTF-8 is shown with replacement characters.
  out.body = to_bytes(body.dump(-1, ' ', false, Json::error_handler_t::replace));
  return out;
}

wire::HttpResponse error_response(int status, const std::string& words) {
  return json_response(status, Json{{"error", words}});
}

bool is_phone_number(const std::string& digits) {
  return digits.size() >= 7 && digits.size() <= 15 && digits.front() != '0' &&
         std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<node::Jid> parse_recipient(const std::string& text) {
  const std::string digits = text.starts_with('+') ? text.substr(1) : text;
  if (is_phone_number(digits)) return node::Jid::pn(digits);
  const auto jid = node::Jid::parse(text);
  if (!jid || jid->user.empty()) return std::nullopt;
  if (!jid->is_pn() && !jid->is_lid() && !jid->is_group()) return std::nullopt;
  return jid->bare();
}

std::string Admin::Call::query(std::string_view name) const {
  for (std::string_view pair : split(request.query(), '&')) {
    const size_t equals = pair.find('=');
    if (pair.substr(0, equals) != name) continue;
    return equals == std::string_view::npos ? "" : decoded(pair.substr(equals + 1));
  }
  return {};
}

uint64_t Admin::Call::number(std::string_view name, uint64_t otherwise) const {
  const std::string text = query(name);
  if (text.empty() || text.size() > 18 ||
      !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) {
    return otherwise;
  }
  return std::stoull(text);
}

const std::vector<Admin::Route>& Admin::routes() {
  static const std::vector<Route> kRoutes = {
      {"GET", "/admin/trust", &Admin::get_trust},
      {"POST", "/admin/mock-phone/scan-qr", &Admin::scan_qr},
      {"POST", "/admin/mock-phone/enter-code", &Admin::enter_code},
      {"POST", "/admin/accounts", &Admin::post_account},
      {"GET", "/admin/accounts", &Admin::get_accounts},
      {"POST", "/admin/accounts/{}/messages", &Admin::post_messages},
      {"GET", "/admin/accounts/{}/messages/{}", &Admin::get_message},
      {"POST", "/admin/accounts/{}/receipts", &Admin::post_receipt},
      {"GET", "/admin/accounts/{}/inbox", &Admin::get_inbox},
      {"POST", "/admin/accounts/{}/lose-sessions", &Admin::lose_sessions},
      {"DELETE", "/admin/accounts/{}/devices/{}", &Admin::unlink_device},
      {"POST", "/admin/groups", &Admin::post_group},
      {"POST", "/admin/faults", &Admin::post_faults},
      {"GET", "/admin/faults", &Admin::get_faults},
      {"DELETE", "/admin/faults", &Admin::delete_faults},
      {"GET", "/admin/stanzas", &Admin::get_stanzas},
  };
  return kRoutes;
}

Admin::Admin(World& world, Phones& phones, Faults& faults, StanzaLog& log, Trust trust)
    : world_(world), phones_(phones), faults_(faults), log_(log), trust_(std::move(trust)) {}

Admin::Outcome Admin::dispatch(const wire::HttpRequest& request) {
  if (request.body.size() > kMaxBody) return {error_response(413, "the body is too large")};
  bool other_method = false;
  for (const Route& route : routes()) {
    auto parts = match(route.path, request.path());
    if (!parts) continue;
    if (request.method != route.method) {
      other_method = true;
      continue;
    }
    const Call call{std::move(*parts), request};
    return (this->*route.run)(call);
  }
  if (other_method) return {error_response(405, "no such method here")};
  return {error_response(404, "no such path")};
}

wire::awaitable<wire::HttpResponse> Admin::handle(const wire::HttpRequest& request) {
  Outcome outcome = dispatch(request);
  phones_.pump();
  if (!outcome.ready) co_return std::move(outcome.response);
  const auto deadline = std::chrono::steady_clock::now() + outcome.patience;
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  while (!outcome.ready() && std::chrono::steady_clock::now() < deadline) {
    timer.expires_after(kLookAgain);
    boost::system::error_code ignored;
    auto token = boost::asio::redirect_error(boost::asio::use_awaitable, ignored);
    co_await timer.async_wait(token);
  }
  co_return outcome.finish();
}

Admin::Outcome Admin::get_trust(const Call&) {
  const Json body = {{"noise_root_key", to_hex(trust_.noise_root_key)},
                     {"tls_ca_pem", trust_.tls_ca_pem}};
  return {json_response(200, body)};
}

Admin::Outcome Admin::scan_qr(const Call& call) {
  std::string code = to_string(ByteView(call.request.body));
  while (!code.empty() && (code.back() == '\n' || code.back() == '\r' || code.back() == ' ')) {
    code.pop_back();
  }
  const Phones::Scan scan = phones_.scan_qr(code);
  switch (scan.status) {
    case ScanStatus::ok:
      return {json_response(200, Json{{"pn", scan.pn}})};
    case ScanStatus::unknown_ref:
      return {error_response(404, scan.text.empty() ? "unknown or used code" : scan.text)};
    case ScanStatus::refused:
      break;
  }
  return {error_response(400, scan.text)};
}

Admin::Outcome Admin::enter_code(const Call& call) {
  const auto body = parse_json(call.request.body);
  if (!body) return {error_response(400, "the body is not JSON")};
  std::string phone = string_of(*body, "phone");
  std::erase_if(phone, [](char c) { return c < '0' || c > '9'; });
  switch (phones_.enter_code(phone, string_of(*body, "code"))) {
    case Phones::CodeStatus::ok:
      return {json_response(200, Json{{"pn", phone}})};
    case Phones::CodeStatus::malformed:
      return {error_response(400, "code: eight characters without 0, I, O, U expected")};
    case Phones::CodeStatus::no_phone:
      return {error_response(404, "no such phone: " + phone)};
    case Phones::CodeStatus::no_code:
      break;
  }
  return {error_response(404, "nobody asked for a code for " + phone)};
}

Admin::Outcome Admin::get_stanzas(const Call& call) {
  StanzaLog::Query query;
  query.account = call.query("account");
  query.since = call.number("since", 0);
  query.limit = std::min<uint64_t>(call.number("limit", 1'000), 10'000);
  query.only_violations = call.query("violations") == "1" || call.query("violations") == "true";
  Json stanzas = Json::array();
  for (const LoggedStanza* one : log_.find(query)) {
    Json violations = Json::array();
    for (const LoggedViolation& found : one->violations) {
      violations.push_back({{"rule", found.rule}, {"text", found.text}});
    }
    stanzas.push_back({{"seq", one->seq},
                       {"at", one->at},
                       {"direction", one->direction == Direction::to_server ? "in" : "out"},
                       {"account", one->device.pn},
                       {"device", one->device.device},
                       {"connection", one->connection},
                       {"tag", one->tag},
                       {"stanza", one->xml},
                       {"violations", std::move(violations)}});
  }
  // Everything that was ever held against a device, also what a phone found when it decrypted and
  // what belongs to no stanza.
  Json violations = Json::array();
  for (const Violation& one : world_.violations()) {
    if (!query.account.empty() && one.device.pn != query.account) continue;
    violations.push_back({{"rule", one.rule},
                          {"account", one.device.pn},
                          {"device", one.device.device},
                          {"connection", one.connection},
                          {"text", one.text},
                          {"at", one.at}});
  }
  const uint64_t next = stanzas.size() == query.limit && !stanzas.empty()
                            ? stanzas.back()["seq"].get<uint64_t>()
                            : log_.last_seq();
  return {json_response(200, Json{{"stanzas", std::move(stanzas)},
                                  {"violations", std::move(violations)},
                                  {"next", next}})};
}

}  // namespace wab::sandbox
