#include "webhook/http_client.h"

namespace wab::webhook {
namespace {

using Steady = std::chrono::steady_clock;

}  // namespace

HttpClient::HttpClient(wire::Dialer& dialer, wire::AddressJudge judge)
    : dialer_(dialer), judge_(std::move(judge)) {}

HttpClient::~HttpClient() = default;

std::unique_ptr<wire::ByteStream> HttpClient::take(const std::string& key) {
  const auto it = idle_.find(key);
  if (it == idle_.end()) return nullptr;
  auto& kept = it->second;
  while (!kept.empty()) {
    Kept one = std::move(kept.back());
    kept.pop_back();
    --idle_count_;
    if (Steady::now() - one.made < kKept) {
      taken_made_ = one.made;
      if (kept.empty()) idle_.erase(it);
      return std::move(one.stream);
    }
  }
  idle_.erase(it);
  return nullptr;
}

void HttpClient::keep(const std::string& key, std::unique_ptr<wire::ByteStream> stream,
                      Steady::time_point made) {
  if (Steady::now() - made >= kKept || idle_count_ >= kIdleTotal) return;
  auto& kept = idle_[key];
  if (kept.size() >= kIdlePerHost) {
    kept.pop_front();
    --idle_count_;
  }
  kept.push_back(Kept{std::move(stream), made});
  ++idle_count_;
}

void HttpClient::close_idle() {
  idle_.clear();
  idle_count_ = 0;
}

awaitable<Result<PostResult>> HttpClient::post(OrgId org, wire::Url url, wire::HttpFields headers,
                                               Bytes body, std::chrono::milliseconds timeout) {
  const auto deadline = Steady::now() + timeout;
  const std::string key = org.text() + "|" + url.scheme + "|" + url.authority();
  wire::HttpRequest request;
  request.method = "POST";
  request.target = url.target;
  request.headers = std::move(headers);
  request.headers.set("host", url.authority());
  request.body = std::move(body);

  PostResult out;
  auto stream = take(key);
  auto made = taken_made_;
  out.reused = stream != nullptr;
  for (;;) {
    if (!stream) {
      wire::Target target;
      target.host = url.host;
      target.port = url.port;
      target.tls = url.tls();
      wire::DialRules rules;
      rules.judge = judge_;
      const auto connect_by = std::min<Steady::time_point>(deadline, Steady::now() + kConnect);
      CO_TRY(stream, co_await dialer_.dial(std::move(target), std::move(rules), connect_by));
      made = Steady::now();
    }
    wire::HttpTrace trace;
    wire::HttpRequest copy = request;
    const wire::HttpLimits limits = wire::response_limits();
    auto answer = co_await wire::exchange(*stream, std::move(copy), limits, deadline, &trace);
    if (!answer) {
      stream->close();
      // A kept connection that the peer had closed meanwhile: nothing of the request was answered,
      // so one fresh connection may try. Counted as an attempt of its own.
      const bool stale = out.reused && out.attempts == 1 && !trace.answered &&
                         !answer.error().is(wire::WireError::timeout);
      if (!stale) co_return fail(answer.error());
      stream.reset();
      out.attempts = 2;
      continue;
    }
    out.status = answer->response.status;
    out.retry_after = std::string(answer->response.headers.get("retry-after"));
    if (answer->reusable && !answer->truncated) {
      keep(key, std::move(stream), made);
    } else {
      stream->close();
    }
    co_return out;
  }
}

}  // namespace wab::webhook
