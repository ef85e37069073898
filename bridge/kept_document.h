// A document of another server, parsed, kept as long as its Cache-Control allows.
//
// Any shard. One request at a time: callers that come meanwhile share its answer. When the server
// fails, what was read last stays in use for kStale beyond its time; attempts are kRetry apart
// then.
#pragma once

#include <boost/asio/this_coro.hpp>
#include <functional>
#include <mutex>
#include <vector>

#include "storage/base/async.h"
#include "storage/base/log.h"
#include "storage/base/result.h"

namespace wab::bridge {

struct WebAsk {
  std::string url;
  std::string form;  // POST of this when not empty, GET otherwise
};
struct WebAnswer {
  int status = 0;
  std::string cache_control;
  std::string body;
};

// Seconds that an answer may be kept: max-age, 0 for no-store and no-cache and what cannot be read,
// five minutes without the header; a day at most.
std::chrono::seconds fresh_for(std::string_view cache_control);

template <class T>
class KeptDocument {
 public:
  using Value = std::shared_ptr<const T>;
  using Fetch = std::function<awaitable<Result<WebAnswer>>(WebAsk)>;
  using Parse = std::function<Result<T>(std::string_view)>;
  static constexpr std::chrono::hours kStale{24};
  static constexpr std::chrono::seconds kRetry{10};
  static constexpr std::chrono::minutes kForced{1};

  // `name` is a constant for the log.
  KeptDocument(const char* name, Clock& clock, Fetch fetch, Parse parse)
      : name_(name), clock_(clock), fetch_(std::move(fetch)), parse_(std::move(parse)) {}

  // `force` reads it again although it is fresh, but only once in kForced.
  awaitable<Result<Value>> get(std::string url, bool force = false) {
    std::optional<OneShot<Result<Value>>> turn;
    auto here = co_await boost::asio::this_coro::executor;
    {
      const std::lock_guard lock(mutex_);
      const auto now = clock_.steady();
      if (force && forced_ && now - *forced_ < kForced) force = false;
      if (!force && (value_ ? now < fresh_until_ : false)) co_return value_;
      if (!force && now < retry_at_) co_return usable(now);
      if (running_) {
        turn.emplace(here);
        waiting_.push_back(*turn);
      } else {
        running_ = true;
        if (force) forced_ = now;
      }
    }
    if (turn) {
      auto shared = co_await turn->wait();
      co_return shared;
    }
    WebAsk ask;
    ask.url = std::move(url);
    auto answer = co_await fetch_(std::move(ask));
    std::vector<OneShot<Result<Value>>> others;
    Result<Value> out = settle(answer, others);
    for (const auto& other : others) other.set(out);
    co_return out;
  }

 private:
  // What there is, if it is not too old.
  Result<Value> usable(SteadyTime now) const {
    if (value_ && now < fresh_until_ + kStale) return value_;
    return fail(*problem_);
  }
  Result<Value> settle(const Result<WebAnswer>& answer,
                       std::vector<OneShot<Result<Value>>>& others) {
    Result<T> parsed = read(answer);
    const std::lock_guard lock(mutex_);
    const auto now = clock_.steady();
    running_ = false;
    others.swap(waiting_);
    if (parsed) {
      value_ = std::make_shared<const T>(std::move(*parsed));
      fresh_until_ = now + fresh_for(answer->cache_control);
      retry_at_ = {};
      return value_;
    }
    problem_ = parsed.error();
    retry_at_ = now + kRetry;
    log_warn("signin.document_unreadable",
             {{"document", name_}, {"error", *problem_}, {"kept", value_ != nullptr}});
    return usable(now);
  }
  Result<T> read(const Result<WebAnswer>& answer);

  const char* name_;
  Clock& clock_;
  Fetch fetch_;
  Parse parse_;
  std::mutex mutex_;
  Value value_;
  SteadyTime fresh_until_{}, retry_at_{};
  std::optional<SteadyTime> forced_;
  std::optional<Error> problem_;
  bool running_ = false;
  std::vector<OneShot<Result<Value>>> waiting_;
};

enum class DocumentError { status = 1 };  // the server answered something else than 200
const ErrorDomain& error_domain(DocumentError);

template <class T>
Result<T> KeptDocument<T>::read(const Result<WebAnswer>& answer) {
  if (!answer) return fail(answer.error());
  if (answer->status != 200) return fail(DocumentError::status, name_);
  return parse_(answer->body);
}

}  // namespace wab::bridge
