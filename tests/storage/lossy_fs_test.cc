// The crash tests are worth what this tool is worth: synced survives, unsynced is lost.
#include "tests/support/lossy_fs.h"

#include "tests/storage/store_fixture.h"

namespace wab::storage::tests {
namespace {

using rocksdb::IOStatus;
using wab::tests::LossyFs;

class Lossy : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text, bool sync) {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    ASSERT_TRUE(fs.NewWritableFile(dir / name, {}, &file, nullptr).ok());
    EXPECT_TRUE(file->Append(text, {}, nullptr).ok());
    EXPECT_TRUE(!sync || file->Sync({}, nullptr).ok());
    file->Close({}, nullptr).PermitUncheckedError();
  }
  void sync_directory() {
    std::unique_ptr<rocksdb::FSDirectory> directory;
    ASSERT_TRUE(fs.NewDirectory(dir.path(), {}, &directory, nullptr).ok());
    EXPECT_TRUE(directory->Fsync({}, nullptr).ok());
  }
  std::optional<std::string> content(const std::string& name) {
    std::ifstream file(dir / name, std::ios::binary);
    if (!file) return std::nullopt;
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  void cut_and_restore(LossyFs::Loss loss = LossyFs::Loss::all_unsynced) {
    fs.power_cut();
    fs.power_on(loss, 1);
  }

  TemporaryDirectory dir, limbo;
  LossyFs fs{limbo / "limbo"};
};

TEST_F(Lossy, SyncedFileInASyncedDirectorySurvives) {
  write("a", "kept", true);
  sync_directory();
  cut_and_restore();
  EXPECT_EQ(content("a"), "kept");
}

TEST_F(Lossy, UnsyncedBytesAreLost) {
  std::unique_ptr<rocksdb::FSWritableFile> file;
  ASSERT_TRUE(fs.NewWritableFile(dir / "a", {}, &file, nullptr).ok());
  sync_directory();
  ASSERT_TRUE(file->Append("kept", {}, nullptr).ok());
  ASSERT_TRUE(file->Sync({}, nullptr).ok());
  ASSERT_TRUE(file->Append("lost", {}, nullptr).ok());
  fs.power_cut();
  EXPECT_FALSE(file->Append("more", {}, nullptr).ok());
  EXPECT_FALSE(file->Sync({}, nullptr).ok());
  file.reset();
  fs.power_on(LossyFs::Loss::all_unsynced, 1);
  EXPECT_EQ(content("a"), "kept");
}

TEST_F(Lossy, AnEntryOfAnUnsyncedDirectoryIsLost) {
  write("a", "synced bytes, unsynced name", true);
  cut_and_restore();
  EXPECT_EQ(content("a"), std::nullopt);
}

TEST_F(Lossy, AnUnsyncedRenameIsUndone) {
  write("current", "old", true);
  sync_directory();
  write("tmp", "new", true);
  ASSERT_TRUE(fs.RenameFile(dir / "tmp", dir / "current", {}, nullptr).ok());
  EXPECT_EQ(content("current"), "new");
  cut_and_restore();
  EXPECT_EQ(content("current"), "old");
  EXPECT_EQ(content("tmp"), std::nullopt);
}

TEST_F(Lossy, ASyncedRenameStays) {
  write("current", "old", true);
  sync_directory();
  write("tmp", "new", true);
  ASSERT_TRUE(fs.RenameFile(dir / "tmp", dir / "current", {}, nullptr).ok());
  sync_directory();
  cut_and_restore();
  EXPECT_EQ(content("current"), "new");
}

TEST_F(Lossy, AnUnsyncedRemovalComesBack) {
  write("a", "back", true);
  write("b", "gone", true);
  sync_directory();
  ASSERT_TRUE(fs.DeleteFile(dir / "b", {}, nullptr).ok());
  sync_directory();
  ASSERT_TRUE(fs.DeleteFile(dir / "a", {}, nullptr).ok());
  cut_and_restore();
  EXPECT_EQ(content("a"), "back");
  EXPECT_EQ(content("b"), std::nullopt);
}

TEST_F(Lossy, LyingSyncsKeepNothing) {
  fs.lie_on_sync(true);
  write("a", "promised", true);
  sync_directory();
  cut_and_restore();
  EXPECT_EQ(content("a"), std::nullopt);
}

TEST_F(Lossy, ATornSectorChangesOnlyUnsyncedBytes) {
  std::unique_ptr<rocksdb::FSWritableFile> file;
  ASSERT_TRUE(fs.NewWritableFile(dir / "a", {}, &file, nullptr).ok());
  sync_directory();
  const std::string kept(700, 'k');
  ASSERT_TRUE(file->Append(kept, {}, nullptr).ok());
  ASSERT_TRUE(file->Sync({}, nullptr).ok());
  ASSERT_TRUE(file->Append(std::string(2000, 'u'), {}, nullptr).ok());
  fs.power_cut();
  file.reset();
  fs.power_on(LossyFs::Loss::torn_sector, 5);
  const auto left = content("a");
  ASSERT_TRUE(left);
  EXPECT_EQ(left->substr(0, 700), kept);
  EXPECT_NE(*left, (kept + std::string(2000, 'u')).substr(0, left->size()));
}

TEST_F(Lossy, TheNthOperationFailsOrCuts) {
  fs.fail_at(LossyFs::Op::append, 2, IOStatus::NoSpace("full"));
  std::unique_ptr<rocksdb::FSWritableFile> file;
  ASSERT_TRUE(fs.NewWritableFile(dir / "a", {}, &file, nullptr).ok());
  EXPECT_TRUE(file->Append("1", {}, nullptr).ok());
  EXPECT_TRUE(file->Append("2", {}, nullptr).IsNoSpace());
  EXPECT_TRUE(file->Append("3", {}, nullptr).ok());
  fs.cut_at(2);
  EXPECT_TRUE(file->Append("4", {}, nullptr).ok());
  EXPECT_FALSE(fs.is_cut());
  EXPECT_FALSE(file->Append("5", {}, nullptr).ok());
  EXPECT_TRUE(fs.is_cut());
}

}  // namespace
}  // namespace wab::storage::tests
