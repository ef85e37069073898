// The single checks of `waslo-bridge doctor`: each looks at one thing of this machine and says what
// it found and what to do. Blocking; they change nothing but a file that they remove again.
#pragma once

#include <sys/resource.h>

#include <string>
#include <vector>

#include "bridge/config.h"
#include "session/wire/dial.h"
#include "storage/base/clock.h"

namespace wab::bridge {

struct Finding {
  enum class Grade : uint8_t { ok, warn, fail };
  Grade grade = Grade::ok;
  std::string check;  // a stable word: "root_key", "clock", ...
  std::string says;
  std::string todo;  // empty when ok
};
using Findings = std::vector<Finding>;
const char* grade_word(Finding::Grade grade);  // "ok", "warn", "fail"

// checkup.cc
Finding check_listeners(const Config& config);
Finding check_root_key(const Config& config);  // the source gives a key, and it opens the keyring
Finding check_disk_space(const std::string& path);
Finding check_sync_speed(const std::string& path);  // a small write and its fsync, several times
Finding judge_files_limit(rlim_t hard);
Finding judge_memory_lock(rlim_t soft);
Finding check_versions();
Finding check_kernel_clock();
// `theirs` is the Date header of an answer of the other side, as Unix seconds.
Finding judge_clock(UnixSeconds ours, UnixSeconds theirs);
std::optional<UnixSeconds> parse_http_date(std::string_view text);

// checkup_tls.cc: the certificate that our listener would show. `name` is the host of the public
// URL, "" when there is none.
Findings check_certificate(const std::string& chain_path, const std::string& key_path,
                           const std::string& name, UnixSeconds now);

// checkup_reach.cc: name, connection, certificate and clock of WhatsApp's side.
awaitable<Findings> check_reach(wire::Dialer& dialer, const Config& config, UnixSeconds now);

}  // namespace wab::bridge
