#include "storage/backup_engine.h"

#include <charconv>

#include "storage/base/log.h"
#include "storage/key_backup.h"
#include "storage/key_file.h"

namespace wab::storage {
namespace {

constexpr std::string_view kTitle = "waslo-bridge backup 1";

}  // namespace

tl::unexpected<Error> refuse_backup(std::string& message, StoreError code, std::string text,
                                    const char* where) {
  message = std::move(text);
  return fail(code, where);
}

std::string describe_backup(const ByteArray<16>& deployment) {
  return std::string(kTitle) + "\n" + to_hex(deployment) + "\n" + std::to_string(kStoreSchema);
}

std::optional<BackupEntry> entry_of(const rocksdb::BackupInfo& info) {
  std::string_view text = info.app_metadata;
  const auto line = [&text]() {
    const auto end = text.find('\n');
    const auto out = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return out;
  };
  if (line() != kTitle) return std::nullopt;
  const auto raw = from_hex(line());
  const auto deployment = raw ? to_array<16>(*raw) : std::nullopt;
  BackupEntry out;
  const auto number = line();
  const auto [end, ec] = std::from_chars(number.data(), number.data() + number.size(), out.schema);
  if (!deployment || ec != std::errc() || end != number.data() + number.size()) {
    return std::nullopt;
  }
  out.id = info.backup_id;
  out.at = info.timestamp * 1000;
  out.bytes = info.size;
  out.files = info.number_files;
  out.deployment = *deployment;
  return out;
}

rocksdb::BackupEngineOptions engine_options(const std::string& directory) {
  rocksdb::BackupEngineOptions options(directory);
  options.share_table_files = true;
  options.sync = true;  // a backup that is listed is on the disk
  options.callback_trigger_interval_size = 1 << 20;
  return options;
}

Result<std::unique_ptr<rocksdb::BackupEngineReadOnly>> open_engine(const std::string& from,
                                                                   std::string& message) {
  if (!file_exists(from + "/meta")) {
    return refuse_backup(message, StoreError::not_found,
                         from +
                             " holds no backups; name the directory that `backup create --to` "
                             "was given",
                         "backup directory");
  }
  rocksdb::BackupEngineReadOnly* engine = nullptr;
  const auto status =
      rocksdb::BackupEngineReadOnly::Open(engine_options(from), rocksdb::Env::Default(), &engine);
  if (!status.ok()) {
    return refuse_backup(message, StoreError::io,
                         from + " cannot be read (" + status.ToString() + "); check the disk",
                         "backup engine");
  }
  return std::unique_ptr<rocksdb::BackupEngineReadOnly>(engine);
}

Result<Found> find_backup(const rocksdb::BackupEngineReadOnly& engine, uint32_t id,
                          std::string& message) {
  Found out;
  const auto status = id == 0 ? engine.GetLatestBackupInfo(&out.info, true)
                              : engine.GetBackupInfo(id, &out.info, true);
  if (!status.ok()) {
    return refuse_backup(message, StoreError::not_found,
                         id == 0 ? std::string("there is no whole backup")
                                 : "there is no whole backup " + std::to_string(id) +
                                       "; `backup list` shows those that are there",
                         "backup id");
  }
  const auto entry = entry_of(out.info);
  if (!entry) {
    return refuse_backup(message, StoreError::corrupt,
                         "the backup was not made by this program; use another one",
                         "backup description");
  }
  out.entry = *entry;
  return out;
}

Result<std::vector<BackupEntry>> list_backups(const std::string& from, std::string& message) {
  std::vector<BackupEntry> out;
  if (!file_exists(from + "/meta")) return out;
  TRY(const auto engine, open_engine(from, message));
  std::vector<rocksdb::BackupInfo> infos;
  engine->GetBackupInfo(&infos);
  for (const auto& info : infos) {
    if (const auto entry = entry_of(info)) out.push_back(*entry);
  }
  return out;
}

Result<BackupEntry> RocksStore::backup(const BackupWish& wish, std::string& message) {
  if (!make_private_directory(wish.to)) {
    return refuse_backup(message, StoreError::io,
                         "cannot make " + wish.to + "; create it and give it to this user",
                         "backup directory");
  }
  auto lock = DirectoryLock::take(wish.to, message);
  if (!lock) {
    message = wish.to + " is not writable, or another backup is being made there";
    return fail(lock.error());
  }
  rocksdb::DB& db = impl_->db->raw();
  rocksdb::BackupEngine* opened = nullptr;
  auto status = rocksdb::BackupEngine::Open(engine_options(wish.to), db.GetEnv(), &opened);
  if (!status.ok()) {
    return refuse_backup(message, StoreError::io,
                         wish.to + " cannot be used (" + status.ToString() + "); check the disk",
                         "backup engine");
  }
  const std::unique_ptr<rocksdb::BackupEngine> engine(opened);
  std::vector<rocksdb::BackupInfo> before;
  engine->GetBackupInfo(&before);
  for (const auto& info : before) {
    const auto entry = entry_of(info);
    if (!entry || !equal_constant_time(entry->deployment, deployment())) {
      return refuse_backup(message, StoreError::corrupt,
                           wish.to + " holds backups of another store; name an empty directory",
                           "backup deployment");
    }
  }
  rocksdb::CreateBackupOptions options;
  options.flush_before_backup = true;
  uint64_t copied = 0;
  options.progress_callback = [&] {
    copied += 1 << 20;
    if (wish.progress) wish.progress(copied);
    if (wish.stop != nullptr && wish.stop->load()) engine->StopBackup();
  };
  rocksdb::BackupID id = 0;
  status = engine->CreateNewBackupWithMetadata(options, &db, describe_backup(deployment()), &id);
  if (!status.ok()) {
    if (status.IsIncomplete()) {
      return refuse_backup(message, StoreError::busy, "the backup was stopped", "backup stop");
    }
    return refuse_backup(message, StoreError::io,
                         "the backup failed (" + status.ToString() +
                             "); earlier ones are whole. Check the disk of " + wish.to,
                         "backup create");
  }
  rocksdb::BackupInfo info;
  if (!engine->GetBackupInfo(id, &info).ok()) return fail(StoreError::io, "backup info");
  auto entry = entry_of(info);
  if (!entry) return fail(StoreError::io, "backup description");
  // After the database: every organization of the backup has its half key by then.
  if (!wish.keys_to.empty()) {
    auto keys = collect_keys(impl_->options.path, wish.now);
    if (!keys || !write_key_backup(wish.keys_to, *keys)) {
      return refuse_backup(message, StoreError::io,
                           "the backup is whole, but its keys could not be written to " +
                               wish.keys_to + "; check that directory and make one more backup",
                           "key backup");
    }
    entry->organizations = keys->organizations();
  }
  if (wish.keep > 0) {
    status = engine->PurgeOldBackups(static_cast<uint32_t>(wish.keep));
    if (!status.ok()) log_warn("backup.old_ones_stay", {{"reason", status.ToString()}});
  }
  return *entry;
}

}  // namespace wab::storage
