// The subcommands of waslo-bridge, one function each; main.cc gives them their arguments. They work
// on the store of a service that is not running (the store has one owner at a time), or over its
// API.
#pragma once

#include <string>

#include "bridge/config.h"

namespace wab::bridge {

// keys.cc
int key_new(const std::string& path);
struct KeyRotation {
  std::string what;          // "root", "kek" or "data"
  std::string to;            // root: the source of the new root key
  std::string organization;  // data: id, or "" for all and the deployment's own
};
int key_rotate(const Config& config, const KeyRotation& wish);
// people.cc: prints the new token or user on standard output.
struct NewToken {
  std::string organization;  // id, or "" for an operator's
  std::string name = "command line";
  std::string role = "operator";
  std::string expires_in;  // "90d"; "" is auth.token_ttl_default
};
int token_create(const Config& config, const NewToken& wish);
int user_create(const Config& config, const std::string& email, const std::string& password_file);
// audit.cc: reads every chain of the store, or one export, and says what is wrong.
int audit_verify(const Config& config, const std::string& export_path);
// backup.cc: of a store that no service has open; the configuration names it and its root key.
struct BackupArguments {
  std::string to, keys_to;  // of create; `to` of restore
  std::string from, keys;   // of verify and restore
  uint32_t id = 0;          // 0: the latest
  size_t keep = 0;          // 0: all
};
int backup_create(const Config& config, const BackupArguments& wish);
int backup_list(const Config& config, const BackupArguments& wish);
int backup_verify(const Config& config, const BackupArguments& wish);
int backup_restore(const Config& config, const BackupArguments& wish);
// sessions.cc: over the API.
struct ApiTarget {
  std::string url;         // http://127.0.0.1:8080
  std::string token_file;  // or the environment's WASLO_TOKEN
};
int session_list(const ApiTarget& target);
int session_act(const ApiTarget& target, const std::string& id, const std::string& action);
// doctor.cc: everything that could keep the service from working, one line each. Exit codes: 0 no
// failure (warnings may stand), 1 something fails, 2 the configuration is not valid.
struct DoctorWish {
  bool json = false;
  bool offline = false;  // leaves out what needs the network
};
int doctor(const std::string& config_path, const DoctorWish& wish);

}  // namespace wab::bridge
