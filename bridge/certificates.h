// The certificate of one listener, as files that may be replaced while it runs.
//
// A changed set of files is taken up within a second and used for new connections; connections that
// are open keep what they have. Files that do not fit together change nothing: the old certificate
// goes on serving and the log says so. current() on any thread, the rest on one shard.
#pragma once

#include <array>
#include <atomic>
#include <ctime>
#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "session/wire/tls_stream.h"
#include "storage/base/async.h"

namespace wab::bridge {

class Certificates {
 public:
  // `section` of the configuration is named in errors and in the log. An empty chain means plain
  // HTTP; with `client_ca` only clients with a certificate of it are let in.
  Certificates(std::string section, std::string chain, std::string key, std::string client_ca);

  // The error is one line for stderr.
  tl::expected<void, std::string> load();
  bool enabled() const { return !chain_.empty(); }
  // Null without TLS.
  std::shared_ptr<const wire::TlsContext> current() const { return context_.load(); }
  // Looks every second until `stop` is notified; `stop` outlives it.
  awaitable<void> watch(Event& stop);
  // One look.
  void look();

 private:
  struct Stamp {
    timespec changed{};
    long long size = 0;
    unsigned long long file = 0;
    bool operator==(const Stamp& other) const {
      return changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec &&
             size == other.size && file == other.file;
    }
  };
  static Stamp stamp_of(const std::string& path);
  std::array<Stamp, 3> stamps() const;

  const std::string section_, chain_, key_, client_ca_;
  std::array<Stamp, 3> seen_;
  std::atomic<std::shared_ptr<const wire::TlsContext>> context_;
};

}  // namespace wab::bridge
