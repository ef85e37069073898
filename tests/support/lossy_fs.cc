#include "tests/support/lossy_fs.h"

#include <filesystem>
#include <fstream>
#include <random>

namespace wab::tests {

namespace files = std::filesystem;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

namespace {

constexpr uint64_t kSector = 512;

std::string tidy(const std::string& path) {
  std::string out = files::path(path).lexically_normal().string();
  while (out.size() > 1 && out.back() == '/') out.pop_back();
  return out;
}

std::string parent_of(const std::string& path) { return files::path(path).parent_path().string(); }

}  // namespace

class LossyFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  LossyFile(LossyFs& fs, std::string path, std::unique_ptr<rocksdb::FSWritableFile> real)
      : FSWritableFileOwnerWrapper(std::move(real)), fs_(fs), path_(std::move(path)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* dbg) override {
    const std::lock_guard lock(fs_.mutex_);
    if (IOStatus status = fs_.step(LossyFs::Op::append); !status.ok()) return status;
    fs_.files_[path_].written += data.size();
    return target()->Append(data, options, dbg);
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* dbg) override {
    return Append(data, options, dbg);
  }
  IOStatus PositionedAppend(const Slice&, uint64_t, const IOOptions&, IODebugContext*) override {
    return IOStatus::NotSupported("PositionedAppend");
  }
  IOStatus PositionedAppend(const Slice&, uint64_t, const IOOptions&,
                            const rocksdb::DataVerificationInfo&, IODebugContext*) override {
    return IOStatus::NotSupported("PositionedAppend");
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* dbg) override {
    const std::lock_guard lock(fs_.mutex_);
    if (IOStatus status = fs_.alive(); !status.ok()) return status;
    return target()->Truncate(size, options, dbg);
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(fs_.mutex_);
    return fs_.alive();
  }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return fs_.sync_file(path_); }
  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return fs_.sync_file(path_); }
  IOStatus RangeSync(uint64_t, uint64_t, const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(fs_.mutex_);
    return fs_.alive();  // promises nothing
  }
  bool IsSyncThreadSafe() const override { return true; }
  IOStatus Allocate(uint64_t, uint64_t, const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();
  }
  void PrepareWrite(size_t, size_t, const IOOptions&, IODebugContext*) override {}

 private:
  LossyFs& fs_;
  std::string path_;
};

class LossyDirectory final : public rocksdb::FSDirectory {
 public:
  LossyDirectory(LossyFs& fs, std::string path) : fs_(fs), path_(std::move(path)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return fs_.sync_directory(path_); }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  LossyFs& fs_;
  std::string path_;
};

LossyFs::LossyFs(std::string limbo)
    : FileSystemWrapper(rocksdb::FileSystem::Default()), limbo_(std::move(limbo)) {
  files::create_directories(limbo_);
}

LossyFs::~LossyFs() {
  std::error_code ignored;
  files::remove_all(limbo_, ignored);
}

void LossyFs::power_cut() {
  const std::lock_guard lock(mutex_);
  cut_ = true;
}

void LossyFs::cut_at(uint64_t operation) {
  const std::lock_guard lock(mutex_);
  cut_at_ = operation == 0 ? 0 : operations_ + operation;
}

bool LossyFs::is_cut() const {
  const std::lock_guard lock(mutex_);
  return cut_;
}

uint64_t LossyFs::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

uint64_t LossyFs::syncs() const {
  const std::lock_guard lock(mutex_);
  return syncs_;
}

void LossyFs::fail_at(Op op, uint64_t n, IOStatus status, bool forever) {
  const std::lock_guard lock(mutex_);
  faults_[op] = Fault{n, forever, std::move(status)};
}

void LossyFs::lie_on_sync(bool lie) {
  const std::lock_guard lock(mutex_);
  lies_ = lie;
}

IOStatus LossyFs::alive() const {
  return cut_ ? IOStatus::IOError("the power is cut") : IOStatus::OK();
}

IOStatus LossyFs::step(Op op) {
  ++operations_;
  if (cut_at_ != 0 && operations_ >= cut_at_) cut_ = true;
  if (cut_) return alive();
  const auto fault = faults_.find(op);
  if (fault == faults_.end() || fault->second.n == 0) return IOStatus::OK();
  if (--fault->second.n > 0) return IOStatus::OK();
  if (fault->second.forever) fault->second.n = 1;
  return fault->second.status;
}

std::string LossyFs::into_limbo(const std::string& path) {
  std::string kept = limbo_ + "/" + std::to_string(++limbo_count_);
  files::rename(path, kept);
  return kept;
}

IOStatus LossyFs::sync_file(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (IOStatus status = step(Op::sync); !status.ok()) return status;
  ++syncs_;
  Size& size = files_[path];
  if (!lies_) size.synced = size.written;
  return IOStatus::OK();
}

IOStatus LossyFs::sync_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (IOStatus status = step(Op::sync_directory); !status.ok()) return status;
  if (lies_) return IOStatus::OK();
  std::erase_if(changes_, [&path](const Change& change) {
    if (parent_of(change.path) != path) return false;
    if (!change.kept.empty()) files::remove(change.kept);
    return true;
  });
  return IOStatus::OK();
}

IOStatus LossyFs::NewWritableFile(const std::string& given, const rocksdb::FileOptions& options,
                                  std::unique_ptr<rocksdb::FSWritableFile>* file,
                                  IODebugContext* dbg) {
  const std::lock_guard lock(mutex_);
  const std::string path = tidy(given);
  if (IOStatus status = step(Op::create); !status.ok()) return status;
  Change change{Op::create, path, "", ""};
  if (files::exists(path)) change.kept = into_limbo(path);
  std::unique_ptr<rocksdb::FSWritableFile> real;
  rocksdb::FileOptions plain = options;
  plain.use_direct_writes = false;
  plain.use_mmap_writes = false;
  if (IOStatus status = target()->NewWritableFile(path, plain, &real, dbg); !status.ok()) {
    return status;
  }
  changes_.push_back(std::move(change));
  files_[path] = Size{};
  *file = std::make_unique<LossyFile>(*this, path, std::move(real));
  return IOStatus::OK();
}

IOStatus LossyFs::ReopenWritableFile(const std::string& given, const rocksdb::FileOptions& options,
                                     std::unique_ptr<rocksdb::FSWritableFile>* file,
                                     IODebugContext* dbg) {
  const std::lock_guard lock(mutex_);
  const std::string path = tidy(given);
  if (IOStatus status = alive(); !status.ok()) return status;
  std::unique_ptr<rocksdb::FSWritableFile> real;
  if (IOStatus status = target()->ReopenWritableFile(path, options, &real, dbg); !status.ok()) {
    return status;
  }
  const uint64_t size = files::file_size(path);
  if (!files_.contains(path)) files_[path] = Size{size, size};
  *file = std::make_unique<LossyFile>(*this, path, std::move(real));
  return IOStatus::OK();
}

IOStatus LossyFs::ReuseWritableFile(const std::string&, const std::string&,
                                    const rocksdb::FileOptions&,
                                    std::unique_ptr<rocksdb::FSWritableFile>*, IODebugContext*) {
  return IOStatus::NotSupported("logs are not recycled");
}

IOStatus LossyFs::NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                    IODebugContext* dbg) {
  const std::lock_guard lock(mutex_);
  if (IOStatus status = alive(); !status.ok()) return status;
  return target()->NewSequentialFile(path, options, file, dbg);
}

IOStatus LossyFs::NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                      IODebugContext* dbg) {
  const std::lock_guard lock(mutex_);
  if (IOStatus status = alive(); !status.ok()) return status;
  return target()->NewRandomAccessFile(path, options, file, dbg);
}

IOStatus LossyFs::NewDirectory(const std::string& path, const IOOptions&,
                               std::unique_ptr<rocksdb::FSDirectory>* directory, IODebugContext*) {
  const std::lock_guard lock(mutex_);
  if (IOStatus status = alive(); !status.ok()) return status;
  *directory = std::make_unique<LossyDirectory>(*this, tidy(path));
  return IOStatus::OK();
}

IOStatus LossyFs::DeleteFile(const std::string& given, const IOOptions&, IODebugContext*) {
  const std::lock_guard lock(mutex_);
  const std::string path = tidy(given);
  if (IOStatus status = step(Op::remove); !status.ok()) return status;
  if (!files::exists(path)) return IOStatus::PathNotFound(path);
  changes_.push_back(Change{Op::remove, path, "", into_limbo(path)});
  return IOStatus::OK();
}

IOStatus LossyFs::RenameFile(const std::string& given_from, const std::string& given_to,
                             const IOOptions& options, IODebugContext* dbg) {
  const std::lock_guard lock(mutex_);
  const std::string from = tidy(given_from), to = tidy(given_to);
  if (IOStatus status = step(Op::rename); !status.ok()) return status;
  Change change{Op::rename, to, from, ""};
  if (files::exists(to)) change.kept = into_limbo(to);
  if (IOStatus status = target()->RenameFile(from, to, options, dbg); !status.ok()) return status;
  changes_.push_back(std::move(change));
  if (const auto moved = files_.find(from); moved != files_.end()) {
    files_[to] = moved->second;
    files_.erase(from);
  }
  return IOStatus::OK();
}

IOStatus LossyFs::Truncate(const std::string& path, size_t size, const IOOptions& options,
                           IODebugContext* dbg) {
  const std::lock_guard lock(mutex_);
  if (IOStatus status = alive(); !status.ok()) return status;
  return target()->Truncate(path, size, options, dbg);
}

void LossyFs::power_on(Loss loss, uint64_t seed) {
  const std::lock_guard lock(mutex_);
  std::mt19937_64 random(seed);
  // Contents first, under the names they have now; then the names as the disk had them.
  for (const auto& [path, size] : files_) {
    if (size.written <= size.synced || !files::exists(path)) continue;
    uint64_t keep = size.synced;
    if (loss != Loss::all_unsynced) keep += random() % (size.written - size.synced + 1);
    keep = std::min<uint64_t>(keep, files::file_size(path));
    files::resize_file(path, keep);
    if (loss != Loss::torn_sector || keep == size.synced) continue;
    const uint64_t begin = std::max(size.synced, (keep - 1) / kSector * kSector);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(begin));
    for (uint64_t at = begin; at < keep; ++at) file.put(static_cast<char>(random()));
  }
  for (auto change = changes_.rbegin(); change != changes_.rend(); ++change) {
    if (change->op == Op::create) {
      std::error_code gone;
      files::remove(change->path, gone);
    } else if (change->op == Op::rename && files::exists(change->path)) {
      files::rename(change->path, change->from);
    }
    if (!change->kept.empty()) files::rename(change->kept, change->path);
  }
  changes_.clear();
  files_.clear();
  faults_.clear();
  cut_at_ = 0;
  cut_ = false;
}

}  // namespace wab::tests
