#include "storage/root_key.h"

#include <sys/stat.h>

#include <cstdlib>

#include "storage/key_command.h"
#include "tests/storage/store_fixture.h"

namespace wab::storage::tests {
namespace {

class RootKey : public ::testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& content, mode_t mode = 0600) {
    const std::string path = dir / name;
    std::ofstream(path, std::ios::binary) << content;
    ::chmod(path.c_str(), mode);
    return path;
  }
  Result<LockedSecret> read(const std::string& setting,
                            std::chrono::milliseconds limit = std::chrono::seconds(10)) {
    message.clear();
    auto source = parse_root_key_source(setting, message);
    if (!source) return fail(source.error());
    return read_root_key(*source, limit, message);
  }
  // The message must name the key of the configuration and this.
  void refused(const std::string& setting, const std::string& says,
               std::chrono::milliseconds limit = std::chrono::seconds(10)) {
    const auto key = read(setting, limit);
    ASSERT_FALSE(key) << setting;
    EXPECT_TRUE(key.error().is(StoreError::root_key)) << setting;
    EXPECT_TRUE(message.starts_with("storage.root_key: ")) << message;
    EXPECT_NE(message.find(says), std::string::npos) << message;
  }
  void gives(const std::string& setting) {
    const auto key = read(setting);
    ASSERT_TRUE(key) << message;
    EXPECT_EQ(to_bytes(key->reveal()), raw);
  }

  TemporaryDirectory dir;
  std::string message;
  const Bytes raw = system_random().bytes(32);
};

TEST_F(RootKey, FileHoldsRawHexOrBase64) {
  gives("file:" + file("raw", to_string(raw)));
  gives("file:" + file("hex", to_hex(raw)));
  gives("file:" + file("hexline", to_hex(raw) + "\r\n"));
  gives("file:" + file("base64", to_base64(raw) + "\n"));
}

TEST_F(RootKey, WrongSizesAreRefused) {
  refused("file:" + file("short", to_string(ByteView(raw).first(31))), "31 bytes");
  refused("file:" + file("long", to_string(raw) + "x"), "33 bytes");
  refused("file:" + file("empty", ""), "0 bytes");
  refused("file:" + file("hex", to_hex(raw).substr(2)), "62 bytes");
  refused("file:" + file("huge", std::string(100000, 'a')), "cannot read");
}

TEST_F(RootKey, FilesThatOthersMayReadAreRefused) {
  const std::string path = file("open", to_hex(raw), 0640);
  refused("file:" + path, "chmod 600 " + path);
  refused("file:" + file("world", to_hex(raw), 0604), "mode 0604");
}

TEST_F(RootKey, FilesOfSomeoneElseAreRefused) {
  const std::string path = file("theirs", to_hex(raw));
  if (::chown(path.c_str(), 12345, ::getgid()) != 0) GTEST_SKIP() << "needs root";
  refused("file:" + path, "belongs to user 12345");
}

TEST_F(RootKey, MissingFilesAndDirectoriesAreNamed) {
  refused("file:" + (dir / "absent"), "waslo-bridge key new");
  refused("file:" + dir.path(), "not a regular file");
}

TEST_F(RootKey, SettingsWithoutASourceAreRefused) {
  refused("", "file:PATH, env:NAME");
  refused("/etc/key", "must begin with");
  refused("vault:x", "must begin with");
  refused("file:", "nothing after the colon");
}

TEST_F(RootKey, EnvironmentIsReadOnceAndWiped) {
  ::setenv("WAB_TEST_ROOT", to_hex(raw).c_str(), 1);
  const char* const where = std::getenv("WAB_TEST_ROOT");
  gives("env:WAB_TEST_ROOT");
  EXPECT_EQ(std::getenv("WAB_TEST_ROOT"), nullptr);
  EXPECT_EQ(where[0], '\0');
  EXPECT_EQ(where[63], '\0');
  refused("env:WAB_TEST_ROOT", "WAB_TEST_ROOT is not set");
}

TEST_F(RootKey, CommandPrintsTheKey) {
  gives("exec:cat " + file("raw", to_string(raw)));
  gives("exec:cat '" + file("with blank", to_hex(raw)) + "'");
}

TEST_F(RootKey, CommandsThatMisbehaveAreStopped) {
  const auto begin = std::chrono::steady_clock::now();
  const auto soon = std::chrono::milliseconds(200);
  refused("exec:sleep 600", "in time", soon);
  refused("exec:sh -c 'exec 1>&-; sleep 600'", "in time", soon);
  refused("exec:sh -c 'sleep 600 & sleep 600'", "in time", soon);
  refused("exec:yes", "more than a key");
  refused("exec:false", "exit code 1");
  refused("exec:sh -c 'kill -9 $$'", "signal 9");
  refused("exec:printf short", "5 bytes");
  refused("exec:/nonexistent/program", "cannot be started");
  refused("exec:cat 'open", "quote");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST_F(RootKey, NoShellSeesTheCommand) {
  EXPECT_EQ(split_command("a  b\t'c d' \"e \\\" f\" g\\ h ''"),
            (std::vector<std::string>{"a", "b", "c d", "e \" f", "g h", ""}));
  EXPECT_EQ(split_command("echo $HOME;ls|x"), (std::vector<std::string>{"echo", "$HOME;ls|x"}));
  EXPECT_TRUE(split_command("a 'b").empty());
}

TEST_F(RootKey, NewKeyFileIsPrivateAndNeverOverwritten) {
  const std::string path = dir / "new.key";
  ASSERT_TRUE(create_root_key_file(path, system_random(), message)) << message;
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto key = read("file:" + path);
  ASSERT_TRUE(key) << message;
  EXPECT_EQ(key->reveal().size(), 32u);
  EXPECT_FALSE(create_root_key_file(path, system_random(), message));
  EXPECT_NE(message.find("exists already"), std::string::npos) << message;
}

TEST_F(RootKey, MessagesNeverHoldTheKey) {
  const std::string secret = to_hex(raw).substr(0, 62);
  EXPECT_FALSE(read("file:" + file("bad", secret)));
  EXPECT_EQ(message.find(secret.substr(0, 12)), std::string::npos) << message;
}

}  // namespace
}  // namespace wab::storage::tests
