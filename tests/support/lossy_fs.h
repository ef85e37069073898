// A file system that forgets what was not synced, for crash tests of the store.
//
// Files are real ones below a real directory, but nothing is ever really synced; instead it is
// tracked what a disk would still hold if the power went now: file contents up to the last sync,
// directory entries as of the last sync of the directory. After power_cut() every call fails;
// when the database is closed, power_on() turns the directory into what the disk kept.
//
//   auto fs = std::make_shared<LossyFs>(dir + ".limbo");
//   options.file_system = fs;
//   fs->cut_at(17);          // the 17th operation from now does not happen, nor any later one
//   ... run, close ...
//   fs->power_on(LossyFs::Loss::all_unsynced, seed);
//
// Thread-safe. tests/storage/lossy_fs_test.cc checks the tool itself, both ways.
#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace wab::tests {

class LossyFs final : public rocksdb::FileSystemWrapper {
 public:
  enum class Loss {
    all_unsynced,   // exactly the synced bytes stay
    random_prefix,  // and some of what followed
    torn_sector,    // and the last sector of that is garbage
  };
  enum class Op { append, sync, sync_directory, create, rename, remove };

  explicit LossyFs(std::string limbo);
  ~LossyFs() override;

  void power_cut();
  // Counting from now and from 1; 0 never.
  void cut_at(uint64_t operation);
  bool is_cut() const;
  void power_on(Loss loss, uint64_t seed);

  // The nth such operation from now fails with this status; with `forever`, all from there.
  void fail_at(Op op, uint64_t n, rocksdb::IOStatus status, bool forever = false);
  // Syncs answer OK and do nothing: what a disk with a lying cache does.
  void lie_on_sync(bool lie);
  uint64_t operations() const;
  uint64_t syncs() const;

  const char* Name() const override { return "LossyFs"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus ReuseWritableFile(const std::string& path, const std::string& old_path,
                                      const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file,
                                      rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                      rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus Truncate(const std::string& path, size_t size,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* dbg) override;

 private:
  friend class LossyFile;
  friend class LossyDirectory;
  // A directory entry that changed and was not synced; undone in reverse order.
  struct Change {
    Op op;             // create, rename, remove
    std::string path;  // created, removed, or the new name
    std::string from;  // rename: the old name
    std::string kept;  // what was at `path` before, in limbo; "" for nothing
  };
  struct Size {
    uint64_t synced = 0, written = 0;
  };
  struct Fault {
    uint64_t n = 0;
    bool forever = false;
    rocksdb::IOStatus status;
  };

  // Counts, cuts, fails. With the mutex held.
  rocksdb::IOStatus step(Op op);
  rocksdb::IOStatus alive() const;
  std::string into_limbo(const std::string& path);
  rocksdb::IOStatus sync_file(const std::string& path);
  rocksdb::IOStatus sync_directory(const std::string& path);

  mutable std::mutex mutex_;
  std::string limbo_;
  uint64_t limbo_count_ = 0;
  std::map<std::string, Size> files_;
  std::vector<Change> changes_;
  std::map<Op, Fault> faults_;
  uint64_t operations_ = 0, syncs_ = 0, cut_at_ = 0;
  bool cut_ = false, lies_ = false;
};

}  // namespace wab::tests
