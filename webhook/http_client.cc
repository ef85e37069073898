#include "webhook/http_client.h"

#include <algorithm>

namespace wab::webhook {
namespace {

using Steady = std::chrono::steady_clock;

int64_t since(Steady::time_point begun, Steady::time_point at) {
  if (at == Steady::time_point{}) return -1;
  return std::chrono::duration_cast<std::chrono::microseconds>(at - begun).count();
}

}  // namespace

HttpClient::HttpClient(wire::Dialer& dialer, wire::AddressJudge judge, Egress egress,
                       std::function<Time()> age)
    : dialer_(dialer), judge_(std::move(judge)), egress_(std::move(egress)), age_(std::move(age)) {}

HttpClient::~HttpClient() = default;

std::optional<HttpClient::Kept> HttpClient::take(const std::string& key) {
  const auto it = idle_.find(key);
  if (it == idle_.end()) return std::nullopt;
  auto& kept = it->second;
  std::optional<Kept> out;
  while (!kept.empty() && !out) {
    Kept one = std::move(kept.back());
    kept.pop_back();
    --idle_count_;
    if (age_() - one.made < kKept) out = std::move(one);
  }
  if (kept.empty()) idle_.erase(it);
  return out;
}

void HttpClient::keep(const std::string& key, Kept one) {
  if (age_() - one.made >= kKept) return;
  if (idle_count_ >= kIdleTotal) {
    const auto now = age_();
    for (auto it = idle_.begin(); it != idle_.end();) {
      auto& row = it->second;
      idle_count_ -= std::erase_if(row, [now](const Kept& k) { return now - k.made >= kKept; });
      it = row.empty() ? idle_.erase(it) : std::next(it);
    }
    if (idle_count_ >= kIdleTotal) return;
  }
  auto& kept = idle_[key];
  if (kept.size() >= kIdlePerHost) {
    kept.pop_front();
    --idle_count_;
  }
  kept.push_back(std::move(one));
  ++idle_count_;
}

void HttpClient::close_idle() {
  idle_.clear();
  idle_count_ = 0;
}

// Every answer is judged as a whole: one address that may not be dialled spoils it.
awaitable<Result<wire::Dialer::Addresses>> HttpClient::addresses_of(std::string host,
                                                                    Time deadline) {
  if (const auto it = names_.find(host); it != names_.end()) {
    if (age_() < it->second.until) co_return it->second.addresses;
    names_.erase(it);
  }
  wire::AddressJudge judge = judge_;
  auto found = co_await dialer_.resolve(host, std::move(judge), deadline);
  if (!found) co_return fail(found.error());
  if (names_.size() >= kMostNames) names_.clear();
  names_.insert_or_assign(host, Believed{*found, age_() + kBelieved});
  co_return found;
}

awaitable<Exchange> HttpClient::try_once(const Post* post, Time deadline, bool may_reuse,
                                         bool* stale) {
  const auto begun = Steady::now();
  Exchange out;
  const wire::Url& url = post->url;
  auto addresses = co_await addresses_of(url.host, deadline);
  if (!url.host_is_address()) out.timings.dns = since(begun, Steady::now());
  if (!addresses) {
    out.error = addresses.error();
    out.timings.total = since(begun, Steady::now());
    co_return out;
  }
  const std::string pool = post->org.text() + "|" + url.scheme + "|" + url.authority() + "|" +
                           std::to_string(url.port) + "|" + post->pool + "|";
  std::optional<Kept> kept;
  std::string key;
  for (size_t i = 0; may_reuse && !kept && i < addresses->size(); ++i) {
    key = pool + (*addresses)[i].to_string();
    kept = take(key);
  }
  out.reused = kept.has_value();
  if (!kept) {
    wire::Target target;
    target.host = url.host;
    target.port = url.port;
    target.tls = url.tls();
    const std::string first = addresses->front().to_string();
    const bool direct = egress_.direct && std::ranges::all_of(*addresses, egress_.direct);
    target.addresses = std::move(*addresses);
    wire::DialRules rules;
    rules.judge = judge_;
    rules.tls = post->identity;
    if (!direct) rules.proxy = egress_.proxy;
    const bool proxied = rules.proxy.has_value();
    const auto connect_by = std::min<Time>(deadline, Steady::now() + kConnect);
    wire::DialTrace trace;
    ++dials_;
    auto stream = co_await dialer_.dial(std::move(target), std::move(rules), connect_by, &trace);
    out.timings.connect = since(begun, trace.connected);
    out.timings.tls = since(begun, trace.secured);
    if (!stream) {
      out.error = stream.error();
      out.timings.total = since(begun, Steady::now());
      co_return out;
    }
    kept = Kept{std::move(*stream), age_()};
    const std::string peer = kept->stream->peer();
    const std::string host = peer.substr(0, peer.rfind(':'));
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    // Behind a proxy the other end is the address that it was asked for.
    key = pool + (proxied ? first : bracketed ? host.substr(1, host.size() - 2) : host);
  }
  out.address = kept->stream->peer();
  wire::HttpRequest request;
  request.method = "POST";
  request.target = url.target;
  request.headers = post->headers;
  request.headers.set("host", url.authority());
  request.body = post->body;
  wire::HttpTrace trace;
  const wire::HttpLimits limits = wire::response_limits();
  wire::ByteStream* stream = kept->stream.get();
  auto answer = co_await wire::exchange(*stream, std::move(request), limits, deadline, &trace);
  out.timings.first_byte = since(begun, trace.first_byte);
  out.timings.total = since(begun, Steady::now());
  if (!answer) {
    kept->stream->close();
    out.error = answer.error();
    // A kept connection that the peer had closed meanwhile: nothing of the request was answered,
    // so one fresh connection may try.
    *stale = out.reused && !trace.answered && !answer.error().is(wire::WireError::timeout);
    co_return out;
  }
  out.status = answer->response.status;
  out.retry_after = std::string(answer->response.headers.get("retry-after"));
  out.answer = std::move(answer->response.body);
  out.answer_bytes = out.answer.size();
  if (out.answer.size() > Attempt::kAnswerKept) {
    out.answer.resize(Attempt::kAnswerKept);
    out.answer.shrink_to_fit();
  }
  if (answer->reusable && !answer->truncated) {
    keep(key, std::move(*kept));
  } else {
    kept->stream->close();
  }
  co_return out;
}

awaitable<Exchanges> HttpClient::post(Post post) {
  const auto deadline = Steady::now() + post.timeout;
  Exchanges out;
  bool stale = false;
  Exchange first = co_await try_once(&post, deadline, true, &stale);
  out.push_back(std::move(first));
  if (stale) {
    bool again = false;
    Exchange second = co_await try_once(&post, deadline, false, &again);
    out.push_back(std::move(second));
  }
  co_return out;
}

}  // namespace wab::webhook
