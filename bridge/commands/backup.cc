#include "storage/backup.h"

#include <iostream>

#include "bridge/commands/commands.h"
#include "bridge/parts.h"
#include "bridge/service.h"
#include "storage/key_file.h"

namespace wab::bridge {
namespace {

int complain(const std::string& line, int code = kExitFailed) {
  std::cerr << line << std::endl;
  return code;
}

int missing(const char* option, const char* key) {
  return complain(std::string(option) + ": name a directory, or set " + key, kExitUsage);
}

// A line for every tenth of the way.
storage::Progress printed() {
  auto last = std::make_shared<std::pair<std::string, uint64_t>>("", 0);
  return [last](const char* what, uint64_t done, uint64_t all) {
    const uint64_t tenth = all == 0 ? 0 : std::min<uint64_t>(done * 10 / all, 10);
    if (last->first == what && tenth <= last->second) return;
    *last = {what, tenth};
    if (all == 0) {
      std::cout << what << " ..." << std::endl;
    } else {
      std::cout << what << " " << tenth * 10 << " % (" << done << " of " << all << ")" << std::endl;
    }
  };
}

std::string described(const storage::BackupEntry& entry) {
  return "backup " + std::to_string(entry.id) + " of " + to_iso8601(entry.at) + ", " +
         std::to_string(entry.files) + " files, " + std::to_string(entry.bytes) + " bytes";
}

// The keys of a backup: as asked for, or of the store itself, or of the configured key backup.
std::string keys_of(const Config& config, const std::string& asked, const std::string& target) {
  if (!asked.empty()) return asked;
  const std::string& own = config.storage.path;
  if (own != target && storage::file_exists(own + "/keyring")) return own;
  return config.backup.keys_path;
}

}  // namespace

int backup_create(const Config& config, const BackupArguments& wish) {
  storage::BackupWish backup;
  backup.to = wish.to.empty() ? config.backup.path : wish.to;
  backup.keys_to = wish.keys_to.empty() ? config.backup.keys_path : wish.keys_to;
  if (backup.to.empty()) return missing("--to", "backup.path");
  if (backup.to == backup.keys_to) {
    return complain("--keys-to: name another directory than --to", kExitUsage);
  }
  backup.keep = wish.keep;
  backup.now = system_clock().now_ms();
  BlockingPool disk("disk", 1, 64);
  auto store = open_store(config, disk);
  if (!store) {
    return complain(store.error() + " (a running service makes backups by POST /v1/backups)");
  }
  std::string message;
  const auto made = (*store)->backup(backup, message);
  if (!made) return complain("backup create: " + message);
  std::cout << described(*made) << std::endl;
  if (backup.keys_to.empty()) {
    std::cout << "its keys are not in it: keep " << config.storage.path
              << "/keyring and keystore, or use --keys-to" << std::endl;
  } else {
    std::cout << "keys of " << made->organizations << " organizations (the deployment's own "
              << "included) in " << backup.keys_to << std::endl;
  }
  return kExitDone;
}

int backup_list(const Config& config, const BackupArguments& wish) {
  const std::string from = wish.from.empty() ? config.backup.path : wish.from;
  if (from.empty()) return missing("--from", "backup.path");
  std::string message;
  const auto known = storage::list_backups(from, message);
  if (!known) return complain("backup list: " + message);
  for (const auto& entry : *known) std::cout << described(entry) << std::endl;
  return kExitDone;
}

int backup_verify(const Config& config, const BackupArguments& wish) {
  storage::VerifyWish verify;
  verify.from = wish.from.empty() ? config.backup.path : wish.from;
  verify.keys = keys_of(config, wish.keys, "");
  if (verify.from.empty()) return missing("--from", "backup.path");
  if (verify.keys.empty()) return missing("--keys", "backup.keys_path");
  verify.id = wish.id;
  verify.root_key = config.storage.root_key;
  verify.progress = printed();
  std::string message;
  const auto done = storage::verify_backup(verify, message);
  if (!done) return complain("backup verify: " + message);
  std::cout << described(done->backup) << "\n"
            << "opened: " << done->rows << " rows, " << done->events << " events, "
            << done->deliveries << " deliveries, " << done->marks << " marks, " << done->positions
            << " positions of " << done->organizations << " organizations" << std::endl;
  if (done->without_keys > 0) {
    std::cout << "without keys: " << done->without_keys << " organizations with "
              << done->sealed_for_ever << " records; they were deleted since, or these keys are "
              << "older than the backup" << std::endl;
  }
  for (const auto& one : done->first_damaged) std::cout << "DAMAGED: " << one << std::endl;
  if (done->damaged > 0) {
    return complain("backup verify: " + std::to_string(done->damaged) +
                    " records do not open; make a new backup, and keep the older ones");
  }
  std::cout << "every record opens" << std::endl;
  return kExitDone;
}

int backup_restore(const Config& config, const BackupArguments& wish) {
  storage::RestoreWish restore;
  restore.from = wish.from.empty() ? config.backup.path : wish.from;
  restore.to = wish.to;
  if (restore.from.empty()) return missing("--from", "backup.path");
  restore.keys = keys_of(config, wish.keys, restore.to);
  if (restore.keys.empty()) return missing("--keys", "backup.keys_path");
  restore.id = wish.id;
  restore.root_key = config.storage.root_key;
  restore.now = system_clock().now_ms();
  restore.progress = printed();
  std::string message;
  const auto done = storage::restore_backup(restore, message);
  if (!done) return complain("backup restore: " + message);
  std::cout << described(done->backup) << "\nrestored to " << restore.to << ": "
            << done->organizations << " organizations";
  if (done->forgotten > 0) {
    std::cout << "; " << done->forgotten << " were deleted after the backup and stay deleted";
  }
  std::cout << "\nlinked sessions are held back until they are linked again or started with "
            << "accept_restored_state" << std::endl;
  return kExitDone;
}

}  // namespace wab::bridge
