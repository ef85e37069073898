// What the doctor finds: the good case and each failing one.
#include "bridge/checkup.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "bridge/version.h"
#include "storage/root_key.h"
#include "tests/support/manual_clock.h"
#include "tests/support/test_certs.h"

namespace wab::bridge {
namespace {

using Grade = Finding::Grade;

class CheckupTest : public testing::Test {
 public:
  CheckupTest() {
    auto name = (std::filesystem::temp_directory_path() / "waslo-checkup-XXXXXX").string();
    dir = ::mkdtemp(name.data());
  }
  ~CheckupTest() override { std::filesystem::remove_all(dir); }
  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = dir + "/" + name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), 0600);
    return path;
  }
  static Grade grade_of(const Findings& all, const std::string& check) {
    for (const auto& one : all) {
      if (one.check == check) return one.grade;
    }
    ADD_FAILURE() << "no finding " << check;
    return Grade::fail;
  }
  Findings certificate(const test::TestCa::Issued& issued, const std::string& name) const {
    return check_certificate(write("chain.pem", issued.chain_pem), write("key.pem", issued.key_pem),
                             name, now);
  }

  std::string dir;
  const UnixSeconds now = system_clock().now_s();
};

TEST_F(CheckupTest, AGoodCertificateIsOkButForItsShortLife) {
  test::TestCa ca;
  auto request = test::TestCa::Request();
  request.to_seconds = 90L * 86400;
  const auto found = certificate(ca.issue(request), "localhost");
  EXPECT_EQ(grade_of(found, "certificate_key"), Grade::ok);
  EXPECT_EQ(grade_of(found, "certificate_time"), Grade::ok);
  EXPECT_EQ(grade_of(found, "certificate_name"), Grade::ok);
  EXPECT_NE(grade_of(found, "certificate_chain"), Grade::fail);
}

TEST_F(CheckupTest, ACertificateThatEndsSoonOrHasEndedIsTold) {
  test::TestCa ca;
  auto request = test::TestCa::Request();
  request.to_seconds = 3L * 86400;
  EXPECT_EQ(grade_of(certificate(ca.issue(request), ""), "certificate_time"), Grade::warn);
  request.from_seconds = -7200;
  request.to_seconds = -3600;
  EXPECT_EQ(grade_of(certificate(ca.issue(request), ""), "certificate_time"), Grade::fail);
  request.from_seconds = 3600;
  request.to_seconds = 7200;
  EXPECT_EQ(grade_of(certificate(ca.issue(request), ""), "certificate_time"), Grade::fail);
}

TEST_F(CheckupTest, AKeyOfAnotherCertificateIsTold) {
  test::TestCa ca;
  auto issued = ca.issue();
  issued.key_pem = ca.issue().key_pem;
  EXPECT_EQ(grade_of(certificate(issued, ""), "certificate_key"), Grade::fail);
  issued.key_pem = "nothing";
  EXPECT_EQ(grade_of(certificate(issued, ""), "certificate_key"), Grade::fail);
}

TEST_F(CheckupTest, AChainInTheWrongOrderIsTold) {
  test::TestCa ca, other;
  auto issued = ca.issue();
  issued.chain_pem += other.pem();
  EXPECT_EQ(grade_of(certificate(issued, ""), "certificate_chain"), Grade::fail);
  auto good = ca.issue();
  if (good.chain_pem.find(ca.pem()) == std::string::npos) good.chain_pem += ca.pem();
  EXPECT_EQ(grade_of(certificate(good, ""), "certificate_chain"), Grade::ok);
}

TEST_F(CheckupTest, ANameThatTheCertificateDoesNotCoverIsTold) {
  test::TestCa ca;
  EXPECT_EQ(grade_of(certificate(ca.issue(), "bridge.example.org"), "certificate_name"),
            Grade::fail);
  EXPECT_EQ(grade_of(certificate(ca.issue(), "127.0.0.1"), "certificate_name"), Grade::ok);
}

TEST_F(CheckupTest, AFileWithoutACertificateIsTold) {
  EXPECT_EQ(grade_of(certificate({"no pem", "no pem"}, ""), "certificate"), Grade::fail);
}

TEST_F(CheckupTest, TheRootKeyMustBeThereAndOpenTheKeyring) {
  Config config;
  config.storage.path = dir + "/data";
  EXPECT_EQ(check_root_key(config).grade, Grade::fail);
  config.storage.root_key = "file:" + dir + "/none.key";
  EXPECT_EQ(check_root_key(config).grade, Grade::fail);
  std::string message;
  ASSERT_TRUE(storage::create_root_key_file(dir + "/root.key", system_random(), message));
  config.storage.root_key = "file:" + dir + "/root.key";
  EXPECT_EQ(check_root_key(config).grade, Grade::ok) << check_root_key(config).says;
  // A keyring that is none.
  std::filesystem::create_directory(config.storage.path);
  write("data/keyring", "not a keyring");
  const auto broken = check_root_key(config);
  EXPECT_EQ(broken.grade, Grade::fail);
  EXPECT_NE(broken.says.find("keyring"), std::string::npos);
  EXPECT_FALSE(broken.todo.empty());
}

TEST_F(CheckupTest, ADirectoryThatCanBeWrittenIsSyncedAndLeftClean) {
  EXPECT_NE(check_disk_space(dir + "/not/yet").grade, Grade::fail);
  EXPECT_NE(check_sync_speed(dir).grade, Grade::fail);
  EXPECT_TRUE(std::filesystem::is_empty(dir));
  EXPECT_EQ(check_sync_speed("/proc/nowhere").grade, Grade::fail);
}

TEST_F(CheckupTest, ListenersForOthersAreWarnedOf) {
  Config config;
  config.http.listen = "127.0.0.1:8080";
  config.ops.listen = "127.0.0.1:9090";
  EXPECT_EQ(check_listeners(config).grade, Grade::ok);
  config.ops.listen = "0.0.0.0:9090";
  EXPECT_EQ(check_listeners(config).grade, Grade::warn);
  config.ops.listen = "[::1]:9090";
  config.http.listen = "0.0.0.0:8080";
  EXPECT_EQ(check_listeners(config).grade, Grade::warn);
  config.http.trusted_proxies = {"10.0.0.0/8"};
  EXPECT_EQ(check_listeners(config).grade, Grade::ok);
}

TEST_F(CheckupTest, LimitsAreJudged) {
  EXPECT_EQ(judge_files_limit(512).grade, Grade::fail);
  EXPECT_EQ(judge_files_limit(4096).grade, Grade::warn);
  EXPECT_EQ(judge_files_limit(65536).grade, Grade::ok);
  EXPECT_EQ(judge_files_limit(RLIM_INFINITY).grade, Grade::ok);
  EXPECT_EQ(judge_memory_lock(64 * 1024).grade, Grade::warn);
  EXPECT_EQ(judge_memory_lock(64 * 1024 * 1024).grade, Grade::ok);
}

TEST_F(CheckupTest, AWrongClockIsTold) {
  EXPECT_EQ(judge_clock(now, now).grade, Grade::ok);
  EXPECT_EQ(judge_clock(now + 30, now).grade, Grade::warn);
  const auto behind = judge_clock(now - 3600, now);
  EXPECT_EQ(behind.grade, Grade::fail);
  EXPECT_NE(behind.says.find("3600 s behind"), std::string::npos) << behind.says;
  EXPECT_EQ(parse_http_date("Tue, 15 Nov 1994 08:12:31 GMT"), 784887151);
  EXPECT_FALSE(parse_http_date("yesterday"));
  EXPECT_FALSE(parse_http_date(""));
}

TEST_F(CheckupTest, VersionsAreTheseAndEveryTroubleSaysWhatToDo) {
  const auto versions = check_versions();
  EXPECT_EQ(versions.grade, Grade::ok) << versions.says;
  EXPECT_NE(versions.says.find(kVersion), std::string::npos);
  for (const auto& one : {check_kernel_clock(), judge_files_limit(1), judge_memory_lock(1)}) {
    EXPECT_TRUE(one.grade == Grade::ok || !one.todo.empty()) << one.check;
  }
}

TEST(Version, IsTheOneOfTheBuild) {
  std::ifstream file(std::string(WAB_SOURCE_DIR) + "/CMakeLists.txt");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  EXPECT_NE(text.find(std::string("VERSION ") + kVersion + " LANGUAGES"), std::string::npos);
}

}  // namespace
}  // namespace wab::bridge
