// One POST with hard bounds, on a pool of kept connections.
//
// Owned by a dispatcher, on its shard. Connections are kept per (organization, scheme, host, port,
// address) and die 45 s after they were made; a name's answer is believed for 15 s. So nothing
// outlives a change of the name by more than 60 s: a rebinding cannot hide behind keep-alive, and
// no organization sees another's connection. Only judged addresses are dialled, at the very address
// judged, or asked for by that address at the operator's proxy; redirects are not followed; at most
// 64 KiB of an answer are read.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "session/wire/dial.h"
#include "session/wire/http.h"
#include "session/wire/url.h"
#include "storage/base/ids.h"
#include "webhook/attempt.h"

namespace wab::webhook {

using wire::awaitable;

// One try on the wire, whatever came of it.
struct Exchange {
  std::optional<Error> error;  // none: status counts
  int status = 0;
  std::string retry_after;
  bool reused = false;  // went over a kept connection
  std::string address;
  Timings timings;
  Bytes answer;  // at most Attempt::kAnswerKept
  uint64_t answer_bytes = 0;
};
// One exchange, or two when a kept connection had died and a fresh one was used. Never empty; the
// last one decides.
using Exchanges = std::vector<Exchange>;

struct Post {
  OrgId org;
  wire::Url url;
  wire::HttpFields headers;
  Bytes body;
  std::chrono::milliseconds timeout{20000};
  std::optional<wire::TlsContext> identity;  // none: the dialer's trust, no client certificate
  std::string pool;                          // connections of different identities are not shared
};

// The way out. A target is reached without the proxy when all its addresses are `direct`.
struct Egress {
  std::optional<wire::ProxyConfig> proxy;
  wire::AddressJudge direct;
};

class HttpClient {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kConnect{6};
  static constexpr std::chrono::seconds kKept{45};
  static constexpr std::chrono::seconds kBelieved{15};
  static_assert(kKept + kBelieved <= std::chrono::seconds(60));
  static constexpr size_t kIdlePerHost = 8;
  static constexpr size_t kIdleTotal = 512;
  static constexpr size_t kMostNames = 1024;

  // `age` is what connections and answers grow old by; tests move it.
  HttpClient(wire::Dialer& dialer, wire::AddressJudge judge, Egress egress = {},
             std::function<Time()> age = std::chrono::steady_clock::now);
  ~HttpClient();

  awaitable<Exchanges> post(Post post);
  void close_idle();
  size_t dials() const { return dials_; }

 private:
  struct Kept {
    std::unique_ptr<wire::ByteStream> stream;
    Time made;
  };
  struct Believed {
    wire::Dialer::Addresses addresses;
    Time until;
  };
  awaitable<Result<wire::Dialer::Addresses>> addresses_of(std::string host, Time deadline);
  std::optional<Kept> take(const std::string& key);
  void keep(const std::string& key, Kept kept);
  awaitable<Exchange> try_once(const Post* post, Time deadline, bool may_reuse, bool* stale);

  wire::Dialer& dialer_;
  wire::AddressJudge judge_;
  Egress egress_;
  std::function<Time()> age_;
  std::map<std::string, std::deque<Kept>> idle_;
  std::map<std::string, Believed> names_;
  size_t idle_count_ = 0;
  size_t dials_ = 0;
};

}  // namespace wab::webhook
