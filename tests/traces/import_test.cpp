#include "traces/import.h"

#include <rapidcheck.h>

#include "sim/base/digest.h"
#include "sim/model/trace_file.h"
#include "tests/support/catch.h"
#include "tests/traces/importing.h"
#include "tests/traces/random_trace.h"

using namespace bethany;
using test::complaint;
using test::events_in_words;
using test::import;
using test::seconds;

TEST_CASE("event-csv: rows of one instant and operation that follow each other are a bulk") {
  const auto trace = import(
      "0,add,node1\n0,add,node2\n0,remove,node1\n0,add,node3\n"
      "60000,remove,node2\n60000,remove,node3\n61000,add,node1\n");
  CHECK(events_in_words(trace) ==
        "0 join node1 node2; 0 lost node1; 0 join node3; 60 lost node2 node3; 61 join node1");
  CHECK(trace.start == seconds(0));
  CHECK(trace.end == seconds(61));
  CHECK(trace.rows_merged == 0);
}

TEST_CASE("event-csv: the trace starts at 0 also when the first row is later") {
  const auto trace = import("480000,add,a\r\n540000,remove,a\r\n");
  CHECK(trace.start == seconds(0));
  CHECK(events_in_words(trace) == "480 join a; 540 lost a");
}

TEST_CASE("an import carries its provenance") {
  const std::string bytes = "0,add,node1\n";
  const auto trace = import(bytes);
  CHECK(trace.name == "log.csv");
  CHECK(trace.source == "imported as event-csv");
  CHECK(trace.source_sha256 == sha256(bytes));
}

TEST_CASE("event-csv: every bad row is refused with its line") {
  const std::string good = "0,add,a\n1000,add,b\n";
  CHECK(complaint("") == "dir/log.csv: the file is empty");
  CHECK(complaint(" \n\n", "event-csv") == "dir/log.csv: the file is empty");
  CHECK(complaint(good + "2000,ad,c\n") ==
        "dir/log.csv:3: unknown operation 'ad'; did you mean 'add'?");
  CHECK(complaint(good + "2000,explode,c\n") ==
        "dir/log.csv:3: unknown operation 'explode'; known: add and remove");
  CHECK(complaint(good + "2000,Remove,c\n") ==
        "dir/log.csv:3: unknown operation 'Remove'; did you mean 'remove'?");
  for (const char* time : {"2000.5", "-2000", "2e3", "", " 2000", "0x10", "3153600000001",
                           "99999999999999999999999999"}) {
    CHECK(complaint(good + time + ",add,c\n") ==
          fmt::format("dir/log.csv:3: '{}' is not a whole number of milliseconds from 0 to 100 "
                      "years",
                      time));
  }
  CHECK(complaint(good + "999,add,c\n") ==
        "dir/log.csv:3: time goes back from 1000000000 ns to 999000000 ns");
  CHECK(complaint(good + "1000,add,b\n") == "dir/log.csv:3: node 'b' is named twice by one event");
  CHECK(complaint(good + "1001,add,b\n") ==
        "dir/log.csv:3: node 'b' joins although it is there already");
  CHECK(complaint(good + "2000,remove,c\n") ==
        "dir/log.csv:3: node 'c' is lost although it is not there");
  CHECK(complaint(good + "2000,add\n") ==
        "dir/log.csv:3: 2 columns, expected 3: ms,add|remove,node");
  CHECK(complaint(good + "2000,add,c,d\n") ==
        "dir/log.csv:3: 4 columns, expected 3: ms,add|remove,node");
  CHECK(complaint(good + "2000,add,\n") == "dir/log.csv:3: the node has no name");
  CHECK(complaint(good + "2000,add, c\n") ==
        "dir/log.csv:3: node name ' c' begins or ends with a blank");
  CHECK(complaint(good + "2000,add,\"c\"\n") ==
        "dir/log.csv:3: a quote character; quoted fields are not part of this format");
  CHECK(complaint(good + std::string("2000,add,c\0\n", 12)) ==
        "dir/log.csv:3: a control character; is this a text file?");
  CHECK(complaint("0,add,a\r0,add,b\r").find("format is not recognised") != std::string::npos);
  CHECK(complaint(good + "2000,add,c\xe9\n") == "dir/log.csv:3: node 'c?' is not UTF-8 text");
  CHECK(complaint(good + "\n2000,add,c\n") == "dir/log.csv:3: an empty line");
  CHECK(complaint(good + "\n \r\n") == "");
}

TEST_CASE("log-csv: both vocabularies, decimals and units") {
  const auto trace = import(
      "time,node,event\n0,a,join\n0,b,up\n0.5,a,down\n1.25,a,repaired\n2,b,failed\n2,a,remove\n"
      "3,a,add\n4,a,lost\n",
      "", R"({"unit":"min"})");
  CHECK(events_in_words(trace) ==
        "0 join a b; 30 lost a; 75 join a; 120 lost b a; 180 join a; 240 lost a");
  CHECK(trace.rows_repaired == 0);
  CHECK(trace.end == seconds(240));
  CHECK(import("time,node,event\n0.000000001,a,up\n").events[0].time == at(Duration(1)));
  CHECK(import("time,node,event\n0.5000000000000000000000000,a,up\n").events[0].time ==
        at(Duration(500'000'000)));
  CHECK(import("time,node,event\n1712574014.0187,a,up\n").events[0].time ==
        at(Duration(1'712'574'014'018'700'000)));
}

TEST_CASE("log-csv: who is lost first was there from the start, which is counted") {
  const auto trace =
      import("time,node,event\n10,a,up\n20,b,down\n30,c,down\n40,b,up\n50,a,down\n", "log-csv");
  CHECK(events_in_words(trace) ==
        "0 join b c; 10 join a; 20 lost b; 30 lost c; 40 join b; 50 lost a");
  CHECK(trace.rows_repaired == 2);
}

TEST_CASE("log-csv: start and end say when the log was kept") {
  const auto trace =
      import("time,node,event\n100,a,down\n", "", R"({"unit":"s","start":"90s","end":"3min"})");
  CHECK(trace.start == seconds(90));
  CHECK(trace.end == seconds(180));
  CHECK(events_in_words(trace) == "90 join a; 100 lost a");
  CHECK(complaint("time,node,event\n80,a,down\n", "", R"({"start":"90s"})") ==
        "dir/log.csv:2: the row lies before the start 90s");
  CHECK(complaint("time,node,event\n80,a,down\n", "", R"({"end":"70s"})") ==
        "dir/log.csv:2: the row lies behind the end 70s");
}

TEST_CASE("log-csv: every bad row is refused with its line") {
  const std::string good = "time,node,event\n1,a,up\n";
  CHECK(complaint("1,a,up\n", "log-csv") ==
        "dir/log.csv:1: the first line must be the header: time,node,event");
  CHECK(complaint(good + "2,a,dwn\n") ==
        "dir/log.csv:3: unknown event 'dwn'; did you mean 'down'?");
  CHECK(complaint(good + "2,a,up\n") ==
        "dir/log.csv:3: node 'a' joins although it is there already");
  CHECK(complaint(good + "2,a,down\n3,a,down\n") ==
        "dir/log.csv:4: node 'a' is lost although it is not there");
  CHECK(complaint(good + "0.5,a,down\n") ==
        "dir/log.csv:3: time goes back to 0.5 s; sort the rows by time");
  for (const char* time : {"-1", "1e3", "1.", ".5", "1.0000000001", "", "now", "+1", "3153600000.1",
                           "1.00000000000000000000000000001"}) {
    CHECK(complaint(good + time + ",a,down\n") ==
          fmt::format("dir/log.csv:3: '{}' is not a time in s: a decimal number from 0 to 100 "
                      "years, whole in nanoseconds",
                      time));
  }
  CHECK(complaint(good + "2,a\n") == "dir/log.csv:3: 2 columns, expected 3: time,node,event");
  CHECK(complaint(good, "", R"({"unit":"minute"})") != "");
  CHECK(complaint("time,node,event\n") == "");
}

TEST_CASE("the format is recognised by content, and only when it is clear") {
  CHECK(import("0,add,a\n").source == "imported as event-csv");
  CHECK(import("\xef\xbb\xbftime,node,event\r\n0,a,up\r\n").source == "imported as log-csv");
  CHECK(complaint("0,18\n") ==
        "dir/log.csv: the format is not recognised: neither a Bethany trace nor one of event-csv, "
        "fault-json, lanl-csv and log-csv; --importer says which it is");
  CHECK(complaint("0,add,a\n", "event-cvs") ==
        "unknown importer 'event-cvs'; did you mean 'event-csv'?");
  // An operation that is nearly one is recognised, so that the import can say what is wrong.
  CHECK(complaint("0,adds,a\n") == "dir/log.csv:1: unknown operation 'adds'; did you mean 'add'?");
  // An option of another importer is nobody's.
  CHECK(complaint("0,add,a\n", "", R"({"unit":"s"})").find("unknown key 'unit'") !=
        std::string::npos);
}

TEST_CASE("the canonical format keeps what its header says") {
  const auto trace = test::random_trace(7);
  const auto bytes = write_trace(trace);
  const auto again = import(bytes);
  CHECK(again.name == trace.name);
  CHECK(again.source_sha256 == sha256(bytes));
  CHECK(trace_digest(again) == trace_digest(trace));
  auto imported = trace;
  imported.source_sha256 = std::string(64, 'a');
  CHECK(import(write_trace(imported)).source_sha256 == std::string(64, 'a'));
}

TEST_CASE("importers are total: damaged input is read or refused, never more") {
  CHECK(rc::check([](std::uint64_t seed) {
    auto rng = RngStreams(seed, 0).stream("test/damage");
    std::string bytes = rng.below(2) == 0 ? "0,add,a\n0,add,b\n60000,remove,a\n70000,add,a\n"
                                          : "time,node,event\n0,a,up\n1.5,b,down\n2,b,up\n";
    const std::string valid = bytes;
    for (std::uint64_t i = rng.below(6) + 1; i > 0; --i) {
      const auto place = static_cast<std::size_t>(rng.below(bytes.size()));
      bytes[place] = static_cast<char>(rng.below(256));
    }
    for (const char* importer : {"", "event-csv", "log-csv"}) {
      const auto message = complaint(bytes, importer);
      RC_ASSERT(message.find('\n') == std::string::npos);
      if (message.empty()) {
        const auto trace = import(bytes, importer);
        RC_ASSERT(write_trace(read_trace(write_trace(trace), "again")) == write_trace(trace));
      }
    }
  }));
}

TEST_CASE("every importer and generator is registered with a summary") {
  CHECK(trace_importers().names() ==
        std::vector<std::string>{"event-csv", "fault-json", "lanl-csv", "log-csv"});
  CHECK(trace_generators().names() == std::vector<std::string>{"bamboo", "failures", "interval",
                                                               "llama3", "poisson", "repair-shop",
                                                               "rsc1", "rsc2", "spot"});
  for (const auto& entry : trace_importers().entries()) CHECK(!entry.summary.empty());
  for (const auto& entry : trace_generators().entries()) CHECK(!entry.summary.empty());
}
