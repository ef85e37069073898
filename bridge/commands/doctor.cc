#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "bridge/checkup.h"
#include "bridge/commands/commands.h"
#include "bridge/parts.h"
#include "bridge/service.h"
#include "bridge/version.h"
#include "session/wire/url.h"

namespace wab::bridge {
namespace {

using Grade = Finding::Grade;

rlimit limit_of(__rlimit_resource what) {
  rlimit out{};
  (void)::getrlimit(what, &out);
  return out;
}

std::string public_host(const Config& config) {
  const auto url = wire::parse_url(config.http.public_url);
  return url ? url->host : "";
}

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

awaitable<int> keep(wire::Dialer& dialer, const Config& config, Findings& found) {
  auto more = co_await check_reach(dialer, config, system_clock().now_s());
  for (auto& one : more) found.push_back(std::move(one));
  co_return 0;
}

void reach(const Config& config, Findings& found) {
  std::string trusted;
  if (!config.whatsapp.ca_file.empty()) trusted = read_text(config.whatsapp.ca_file);
  auto trust = wire::TlsContext::client(trusted);
  if (!trust || (trusted.empty() && !config.whatsapp.ca_file.empty())) {
    found.push_back({Grade::fail, "reach_certificate",
                     "whatsapp.ca_file: " + config.whatsapp.ca_file +
                         " is not a readable PEM file of certificates",
                     "Correct the path, or leave it empty for the system's authorities."});
    return;
  }
  Shards shards(1);
  BlockingPool lookup("lookup", 1, 16);
  wire::Dialer dialer(lookup, std::move(*trust));
  std::function<awaitable<int>()> work = [&] { return keep(dialer, config, found); };
  (void)run_to_end(shards, std::move(work));
}

void print(const Findings& found, bool as_json) {
  const auto count = [&found](Grade grade) {
    return std::count_if(found.begin(), found.end(),
                         [grade](const Finding& one) { return one.grade == grade; });
  };
  if (as_json) {
    nlohmann::ordered_json out;
    out["version"] = kVersion;
    out["ok"] = count(Grade::fail) == 0;
    out["checks"] = nlohmann::ordered_json::array();
    for (const auto& one : found) {
      out["checks"].push_back({{"check", one.check},
                               {"result", grade_word(one.grade)},
                               {"says", one.says},
                               {"todo", one.todo}});
    }
    std::cout << out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
    return;
  }
  for (const auto& one : found) {
    std::string word = grade_word(one.grade);
    word.resize(5, ' ');
    std::cout << word << " " << one.check << ": " << one.says
              << (one.todo.empty() ? "" : ". " + one.todo) << "\n";
  }
  std::cout << count(Grade::ok) << " ok, " << count(Grade::warn) << " warnings, "
            << count(Grade::fail) << " failures" << std::endl;
}

}  // namespace

int doctor(const std::string& config_path, const DoctorWish& wish) {
  Findings found;
  auto config = load_config(config_path);
  if (!config) {
    found.push_back({Grade::fail, "configuration", config.error(),
                     "bridge.example.toml shows every key with its meaning."});
    print(found, wish.json);
    return kExitUsage;
  }
  found.push_back({Grade::ok, "configuration", config_path + " is valid", ""});
  found.push_back(check_listeners(*config));
  found.push_back(check_root_key(*config));
  found.push_back(check_disk_space(config->storage.path));
  if (found.back().grade != Grade::fail) found.push_back(check_sync_speed(config->storage.path));
  if (!config->http.tls_certificate.empty()) {
    for (auto& one : check_certificate(config->http.tls_certificate, config->http.tls_key,
                                       public_host(*config), system_clock().now_s())) {
      found.push_back(std::move(one));
    }
  }
  found.push_back(judge_files_limit(limit_of(RLIMIT_NOFILE).rlim_max));
  found.push_back(judge_memory_lock(limit_of(RLIMIT_MEMLOCK).rlim_cur));
  found.push_back(check_versions());
  found.push_back(check_kernel_clock());
  if (!wish.offline) reach(*config, found);
  print(found, wish.json);
  const bool failed = std::any_of(found.begin(), found.end(),
                                  [](const Finding& one) { return one.grade == Grade::fail; });
  return failed ? kExitFailed : kExitDone;
}

}  // namespace wab::bridge
