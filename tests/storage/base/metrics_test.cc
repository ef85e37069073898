#include "storage/base/metrics.h"

#include <gtest/gtest.h>

namespace wab {
namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, TextShowsEverySeries) {
  Counter done = make_counter("test_attempts_total", "Attempts.", {{"verdict", "done"}});
  Counter later = make_counter("test_attempts_total", "Attempts.", {{"verdict", "later"}});
  done.add();
  done.add(2);
  later.add();
  Gauge depth = make_gauge("test_depth", "Depth.");
  depth.set(5);
  depth.sub(2);
  Histogram time = make_histogram("test_seconds", "Time.", {0.1, 1});
  time.observe(0.05);
  time.observe(0.5);
  time.observe(5);
  const std::string text = metrics_text();
  EXPECT_TRUE(has_line(text, "# TYPE test_attempts_total counter"));
  EXPECT_TRUE(has_line(text, "test_attempts_total{verdict=\"done\"} 3"));
  EXPECT_TRUE(has_line(text, "test_attempts_total{verdict=\"later\"} 1"));
  EXPECT_TRUE(has_line(text, "test_depth 3"));
  EXPECT_TRUE(has_line(text, "test_seconds_bucket{le=\"0.1\"} 1"));
  EXPECT_TRUE(has_line(text, "test_seconds_bucket{le=\"1\"} 2"));
  EXPECT_TRUE(has_line(text, "test_seconds_count 3"));
  EXPECT_NE(text.find("\nprocess_resident_memory_bytes "), std::string::npos);
}

TEST(Metrics, TheSameNameAndLabelsAreTheSameSeries) {
  make_counter("test_same_total", "Same.", {{"a", "b"}}).add(4);
  EXPECT_EQ(make_counter("test_same_total", "Same.", {{"a", "b"}}).value(), 4);
  EXPECT_EQ(make_counter("test_same_total", "Same.", {{"a", "c"}}).value(), 0);
}

}  // namespace
}  // namespace wab
