// One POST with hard bounds, on a pool of kept connections.
//
// Owned by a dispatcher, on its shard. Connections are kept per (organization, scheme, host, port)
// and used again only while their name's answer is fresh (60 s): a rebinding cannot hide behind
// keep-alive, and no organization sees another's connection. Only judged addresses are dialled, at
// the very address judged; redirects are not followed; at most 64 KiB of an answer are read.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>

#include "session/wire/dial.h"
#include "session/wire/http.h"
#include "session/wire/url.h"
#include "storage/base/ids.h"

namespace wab::webhook {

using wire::awaitable;

struct PostResult {
  int status = 0;
  std::string retry_after;
  bool reused = false;  // went over a kept connection
  size_t attempts = 1;  // 2 when a kept connection had died and a fresh one was used
};

class HttpClient {
 public:
  static constexpr std::chrono::seconds kConnect{6};
  static constexpr std::chrono::seconds kKept{60};
  static constexpr size_t kIdlePerHost = 8;
  static constexpr size_t kIdleTotal = 512;

  HttpClient(wire::Dialer& dialer, wire::AddressJudge judge);
  ~HttpClient();

  awaitable<Result<PostResult>> post(OrgId org, wire::Url url, wire::HttpFields headers, Bytes body,
                                     std::chrono::milliseconds timeout);
  void close_idle();

 private:
  struct Kept {
    std::unique_ptr<wire::ByteStream> stream;
    std::chrono::steady_clock::time_point made;
  };
  std::unique_ptr<wire::ByteStream> take(const std::string& key);
  void keep(const std::string& key, std::unique_ptr<wire::ByteStream> stream,
            std::chrono::steady_clock::time_point made);

  wire::Dialer& dialer_;
  wire::AddressJudge judge_;
  std::map<std::string, std::deque<Kept>> idle_;
  size_t idle_count_ = 0;
  std::chrono::steady_clock::time_point taken_made_{};
};

}  // namespace wab::webhook
