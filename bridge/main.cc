// waslo-bridge: the command line.
#include <CLI/CLI.hpp>
#include <iostream>

#include "bridge/commands/commands.h"
#include "bridge/commands/completion.h"
#include "bridge/sealed.h"
#include "bridge/service.h"
#include "bridge/version.h"

namespace {

using namespace wab::bridge;

// One line on stderr, exit code 2.
std::optional<Config> config_or_complain(const std::string& path) {
  auto config = load_config(path);
  if (!config) {
    std::cerr << config.error() << std::endl;
    return std::nullopt;
  }
  return std::move(*config);
}

int run(int argc, char** argv) {
  CLI::App app{"Waslo Bridge: WhatsApp sessions to webhooks"};
  app.require_subcommand(1);
  std::string config_path;
  const auto with_config = [&](CLI::App* command) {
    command->add_option("--config", config_path, "Configuration file (TOML)")->required();
    return command;
  };

  bool check = false;
  auto* serve_command = with_config(app.add_subcommand("serve", "Run the service"));
  serve_command->add_flag("--check", check, "Validate the configuration and exit");
  bool sealed = false;
  serve_command->add_flag("--sealed", sealed, "Begin without any key and wait for `unseal`");
  auto* unseal_command =
      with_config(app.add_subcommand("unseal", "Give a sealed service its keys again"));

  auto* key = app.add_subcommand("key", "Keys of the store")->require_subcommand(1);
  std::string key_path;
  auto* key_make = key->add_subcommand("new", "Write a new root key into a file");
  key_make->add_option("--out", key_path, "File to create, mode 0600")->required();

  auto* key_turn = with_config(
      key->add_subcommand("rotate", "Change a key of the store, while the service is stopped"));
  KeyRotation rotation;
  key_turn->add_option("--what", rotation.what, "root, kek or data")->required();
  key_turn->add_option("--to", rotation.to, "With root: source of the new root key");
  key_turn->add_option("--organization", rotation.organization,
                       "With data: only this organization's key");

  auto* token = app.add_subcommand("token", "API tokens, while the service is stopped")
                    ->require_subcommand(1);
  auto* token_make = with_config(token->add_subcommand("create", "Make a token and print it"));
  NewToken wish;
  token_make->add_option("--organization", wish.organization, "Organization id; none: operator");
  token_make->add_option("--name", wish.name, "What it is for");
  token_make->add_option("--role", wish.role, "operator, owner, admin, agent or viewer");
  token_make->add_option("--expires-in", wish.expires_in, "Such as 90d");

  auto* user =
      app.add_subcommand("user", "Operators, while the service is stopped")->require_subcommand(1);
  auto* user_make = with_config(user->add_subcommand("create", "Make an operator"));
  std::string email, password_file;
  user_make->add_option("--email", email, "Address")->required();
  user_make->add_option("--password-file", password_file, "File whose first line is the password")
      ->required();

  auto* audit = app.add_subcommand("audit", "The audit log, while the service is stopped")
                    ->require_subcommand(1);
  auto* audit_check =
      with_config(audit->add_subcommand("verify", "Check every entry of every organization"));
  std::string export_path;
  audit_check->add_option("--export", export_path,
                          "Check this export instead; - reads it from "
                          "standard input");

  auto* backup =
      app.add_subcommand("backup", "Backups, while the service is stopped")->require_subcommand(1);
  BackupArguments backups;
  auto* backup_make = with_config(backup->add_subcommand("create", "Make a backup"));
  auto* backup_show = with_config(backup->add_subcommand("list", "Show the backups there are"));
  auto* backup_check =
      with_config(backup->add_subcommand("verify", "Open and decrypt every record of a backup"));
  auto* backup_back =
      with_config(backup->add_subcommand("restore", "Put a backup into an empty directory"));
  backup_make->add_option("--to", backups.to, "Directory; else backup.path");
  backup_make->add_option("--keys-to", backups.keys_to,
                          "Another directory for the sealed keys; else backup.keys_path");
  backup_make->add_option("--keep", backups.keep, "Older ones go; none by default");
  for (auto* command : {backup_show, backup_check, backup_back}) {
    command->add_option("--from", backups.from, "Directory of the backups; else backup.path");
  }
  for (auto* command : {backup_check, backup_back}) {
    command->add_option("--id", backups.id, "Which one; else the latest");
    command->add_option("--keys", backups.keys,
                        "Key backup or data directory; else storage.path or backup.keys_path");
  }
  backup_back->add_option("--to", backups.to, "Directory that is empty or not there")->required();

  auto* session = app.add_subcommand("session", "Sessions, over the API")->require_subcommand(1);
  ApiTarget api{"http://127.0.0.1:8080", ""};
  std::string session_id;
  session->add_option("--api", api.url, "Address of the service");
  session->add_option("--token-file", api.token_file, "File with a token; else WASLO_TOKEN");
  session->fallthrough();
  auto* session_ls = session->add_subcommand("list", "Id, status and name of each");
  std::vector<std::pair<CLI::App*, std::string>> actions;
  for (const char* action : {"start", "stop", "restart", "logout"}) {
    auto* command = session->add_subcommand(action, std::string("Asks it to ") + action);
    command->add_option("id", session_id, "Session id")->required();
    actions.emplace_back(command, action);
  }

  auto* doctor_command = with_config(app.add_subcommand(
      "doctor", "Check configuration, keys, clock, network, certificate and disk"));
  DoctorWish doctor_wish;
  doctor_command->add_flag("--json", doctor_wish.json, "One JSON object instead of lines");
  doctor_command->add_flag("--offline", doctor_wish.offline, "Do not call WhatsApp's address");
  auto* completion = app.add_subcommand("completion", "Print a completion script for a shell");
  std::string shell;
  completion->add_option("shell", shell, "bash, zsh or fish")->required();
  auto* version = app.add_subcommand("version", "Print the version");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? kExitDone : kExitUsage;
  }

  if (version->parsed()) {
    std::cout << "waslo-bridge " << kVersion << std::endl;
    return kExitDone;
  }
  if (completion->parsed()) {
    const auto script = completion_script(app, "waslo-bridge", shell);
    if (!script) {
      std::cerr << "completion: use bash, zsh or fish" << std::endl;
      return kExitUsage;
    }
    std::cout << *script;
    return kExitDone;
  }
  if (doctor_command->parsed()) return doctor(config_path, doctor_wish);
  if (key_make->parsed()) return key_new(key_path);
  if (session_ls->parsed()) return session_list(api);
  for (const auto& [command, action] : actions) {
    if (command->parsed()) return session_act(api, session_id, action);
  }
  const auto config = config_or_complain(config_path);
  if (!config) return kExitUsage;
  if (unseal_command->parsed()) return unseal(*config);
  if (key_turn->parsed()) return key_rotate(*config, rotation);
  if (token_make->parsed()) return token_create(*config, wish);
  if (user_make->parsed()) return user_create(*config, email, password_file);
  if (audit_check->parsed()) return audit_verify(*config, export_path);
  if (backup_make->parsed()) return backup_create(*config, backups);
  if (backup_show->parsed()) return backup_list(*config, backups);
  if (backup_check->parsed()) return backup_verify(*config, backups);
  if (backup_back->parsed()) return backup_restore(*config, backups);
  if (serve_command->parsed()) {
    if (check) {
      std::cout << "configuration is valid" << std::endl;
      return kExitDone;
    }
    return serve(*config, ServeWish{config_path, sealed});
  }
  return kExitUsage;
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv); }
