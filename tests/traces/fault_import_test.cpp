#include "sim/model/trace_file.h"
#include "tests/support/catch.h"
#include "tests/traces/importing.h"
#include "tests/traces/random_trace.h"
#include "traces/csv.h"

using namespace bethany;
using test::complaint;
using test::events_in_words;
using test::import;

namespace {

std::string fault(const std::string& node, const std::string& day, const std::string& type) {
  return fmt::format(R"({{"node_id":"{}","event_time":{},"event_type":"fault_{}",)"
                     R"("fault_type":{{"Level":"L","Class":"C","Desc":"D"}}}})",
                     node, day, type);
}

std::string faults(const std::vector<std::string>& items) {
  std::string text = "[";
  for (const auto& item : items) text += (text.size() > 1 ? ",\n" : "\n") + item;
  return text + "]";
}

const std::string kLanlHeader =
    "System,machine type,nodes,procstot,procsinnode,nodenum,nodenumz,node install,node prod,node "
    "decom,fru type,mem,cputype,memtype,num intercon,purpose,Prob Started,Prob Fixed,Down Time,"
    "Facilities,Hardware,Human Error,Network,Undetermined,Software,Same Event\n";

std::string lanl_row(const std::string& node, const std::string& from, const std::string& until,
                     const std::string& causes = ",Disk,,,,", const std::string& system = "8",
                     const std::string& nodes = "3") {
  return fmt::format("{},cluster,{},6,2,1,{},a,b,c,part,1,1,1,1,compute,{},{},1,{},No\n", system,
                     nodes, node, from, until, causes);
}

}  // namespace

TEST_CASE("fault-json: days are exact, the fleet is filled up, causes are kept") {
  const auto trace = import(faults({fault("a", "0.5", "start"),
                                    fault("unnamed-1", "1.0001", "start"), fault("a", "2", "end")}),
                            "", R"({"fleet":4})");
  CHECK(events_in_words(trace) ==
        "0 join a unnamed-1 unnamed-2 unnamed-3; 43200 lost a; 86408.64 lost unnamed-1; "
        "172800 join a");
  CHECK(trace.events[2].time == at(Duration(86'408'640'000'000)));
  CHECK(trace.end == test::seconds(172800));
  CHECK(trace.causes[trace.events[1].cause] == "L: C: D");
  CHECK(trace.rows_merged == 0);
  CHECK(trace.source == "imported as fault-json");
}

TEST_CASE("fault-json: overlapping faults are one outage, one of no length a loss and a join") {
  const auto trace =
      import(faults({fault("a", "1", "start"), fault("a", "2", "start"), fault("a", "3", "end"),
                     fault("b", "3", "start"), fault("b", "3", "end"), fault("a", "4", "end")}));
  CHECK(events_in_words(trace) ==
        "0 join a b; 86400 lost a; 259200 lost b; 259200 join b; 345600 join a");
  CHECK(trace.rows_merged == 1);
  // One that begins where another of the node ends is the same outage.
  const auto touching = import(faults({fault("a", "1", "start"), fault("a", "2", "end"),
                                       fault("a", "2", "start"), fault("a", "3", "end")}));
  CHECK(events_in_words(touching) == "0 join a; 86400 lost a; 259200 join a");
  CHECK(touching.rows_merged == 1);
}

TEST_CASE("fault-json: a fault that never ends, and the end of the recording") {
  const auto trace =
      import(faults({fault("a", "1", "start"), fault("a", "2", "start"), fault("a", "3", "end")}),
             "", R"({"end":"5d"})");
  CHECK(events_in_words(trace) == "0 join a; 86400 lost a");
  CHECK(trace.end == test::seconds(5 * 86400));
  CHECK(complaint(faults({fault("a", "6", "start")}), "", R"({"end":"5d"})") ==
        "dir/log.csv:2: /0/event_time: lies behind the end 5d");
}

TEST_CASE("fault-json: what does not fit is refused with its line") {
  const auto good = fault("a", "1", "start");
  CHECK(complaint(faults({good, fault("b", "2", "end")})) ==
        "dir/log.csv:3: a fault of node 'b' ends that never began");
  CHECK(complaint(faults({good, fault("b", "0.5", "start")})) ==
        "dir/log.csv:3: event_time goes back; sort the events by it");
  CHECK(complaint(faults({good, fault("b", "2", "stop")})) ==
        "dir/log.csv:3: /1/event_type: unknown value 'fault_stop'; did you mean 'fault_start'?");
  CHECK(complaint(faults({good}), "", R"({"flet":4})").find("did you mean 'fleet'") !=
        std::string::npos);
  CHECK(complaint(faults({good, fault("b", "-2", "start")})).find("outside") != std::string::npos);
  CHECK(complaint(faults({good, fault("b", "2e9", "start")})).find("outside") != std::string::npos);
  CHECK(complaint(faults({good, fault("b", "1.00000000000001", "start")})) ==
        "dir/log.csv:3: /1/event_time: is not whole in nanoseconds");
  CHECK(complaint(faults({good, fault("b", "\"2\"", "start")})).find("expected a number") !=
        std::string::npos);
  CHECK(complaint(faults({good, fault("", "2", "start")})) ==
        "dir/log.csv:3: a node has an empty name");
  CHECK(complaint(faults({good, fault("b\\n", "2", "start")})).find("control character") !=
        std::string::npos);
  CHECK(complaint(faults({good, "{}"})).find("missing key 'node_id'") != std::string::npos);
  CHECK(complaint(faults({good, "7"})).find("expected an object") != std::string::npos);
  CHECK(complaint("{\"node_id\":1}", "fault-json").find("expected an array") != std::string::npos);
  CHECK(complaint(faults({good, fault("b", "2", "start")}), "", R"({"fleet":1})") ==
        "dir/log.csv: 2 nodes failed, more than the fleet of 1");
  CHECK(complaint("[" + good, "fault-json") != "");
}

TEST_CASE("lanl-csv: local times from midnight, the fleet from its column, causes by column") {
  const auto trace = import(kLanlHeader + lanl_row("2", "12/31/2003 23:59", "1/1/2004 0:01") +
                            lanl_row("0", "12/31/2003 1:00", "12/31/2003 2:00", ",,,Network,,"));
  CHECK(events_in_words(trace) ==
        "0 join node2 node0 unnamed-1; 3600 lost node0; 7200 join node0; 86340 lost node2; "
        "86460 join node2");
  CHECK(trace.causes == std::vector<std::string>{"", "Network", "Hardware: Disk"});
  CHECK(trace.source == "imported as lanl-csv, system 8, from 12/31/2003 0:00 local time");
  CHECK(trace.end == test::seconds(86460));
  // A loss at midnight: the trace starts a day earlier, or the node would never have been there.
  const auto midnight = import(kLanlHeader + lanl_row("0", "3/1/2004 0:00", "3/1/2004 0:00"));
  CHECK(events_in_words(midnight) ==
        "0 join node0 unnamed-1 unnamed-2; 86400 lost node0; 86400 join node0");
}

TEST_CASE("lanl-csv: overlapping and touching rows of a node are one outage") {
  const auto trace = import(kLanlHeader + lanl_row("0", "1/2/2004 0:05", "1/2/2004 0:20") +
                            lanl_row("0", "1/2/2004 0:20", "1/2/2004 0:30", ",,,,,OS") +
                            lanl_row("0", "1/2/2004 0:01", "1/2/2004 0:10", ",,,,Undetermined,") +
                            lanl_row("1", "1/2/2004 0:01", "1/2/2004 0:10", ",,,,Undetermined,"));
  CHECK(events_in_words(trace) ==
        "0 join node0 node1 unnamed-1; 60 lost node0 node1; 600 join node1; 1800 join node0");
  CHECK(trace.rows_merged == 2);
  CHECK(trace.causes == std::vector<std::string>{"", "Undetermined"});
}

TEST_CASE("lanl-csv: one of several systems, and when the recording began and ended") {
  const auto rows = kLanlHeader + lanl_row("0", "1/2/2004 0:05", "1/2/2004 0:20") +
                    lanl_row("0", "1/3/2004 0:05", "1/3/2004 0:20", ",,,,,", "20", "1");
  CHECK(complaint(rows) ==
        "dir/log.csv: several systems; the option 'system' chooses one: 8 (3 nodes) and 20 (1 "
        "node)");
  CHECK(complaint(rows, "", R"({"system":9})") ==
        "dir/log.csv: there is no system 9; there are: 8 (3 nodes) and 20 (1 node)");
  const auto trace =
      import(rows, "", R"({"system":20,"start":"1/3/2004 0:00","end":"1/4/2004 0:00"})");
  CHECK(events_in_words(trace) == "0 join node0; 300 lost node0; 1200 join node0");
  CHECK(trace.causes == std::vector<std::string>{""});
  CHECK(trace.end == test::seconds(86400));
  CHECK(complaint(rows, "", R"({"system":20,"start":"1/3/2004 0:06"})") ==
        "dir/log.csv:3: the row lies before the start 1/3/2004 0:06");
  CHECK(complaint(rows, "", R"({"system":20,"end":"1/3/2004 0:19"})") ==
        "dir/log.csv:3: the row lies behind the end 1/3/2004 0:19");
  CHECK(complaint(rows, "", R"({"system":20,"start":"2004-01-03"})").find("is no time") !=
        std::string::npos);
}

TEST_CASE("lanl-csv: what does not fit is refused with its line") {
  const auto good = kLanlHeader + lanl_row("0", "1/2/2004 0:05", "1/2/2004 0:20");
  CHECK(complaint(lanl_row("0", "1/2/2004 0:05", "1/2/2004 0:20"), "lanl-csv") ==
        "dir/log.csv:1: the first line must be the header: System,…,Same Event");
  CHECK(complaint(kLanlHeader) == "dir/log.csv:1: no row follows the header");
  for (const char* time : {"", "2/30/2004 0:05", "1/2/2004", "1/2/2004 24:00", "1/2/2004 0:5",
                           "1/2/2004 0:60", "13/2/2004 0:05", "1/2/4 0:05", "a/2/2004 0:05",
                           "1/2/2004 0:05 ", "-1/2/2004 0:05", "1/2/2090 0:05"}) {
    CHECK(complaint(good + lanl_row("1", "1/2/2004 0:05", time)) ==
          fmt::format("dir/log.csv:3: Prob Fixed '{}' is no time such as 6/21/2005 10:54", time));
  }
  CHECK(complaint(good + lanl_row("1", "1/2/2004 0:05", "1/2/2004 0:04")) ==
        "dir/log.csv:3: Prob Fixed lies before Prob Started");
  CHECK(complaint(good + lanl_row("", "1/2/2004 0:05", "1/2/2004 0:06")) ==
        "dir/log.csv:3: nodenumz '' is no node number");
  CHECK(complaint(good + "8,cluster\n") ==
        "dir/log.csv:3: 2 columns, expected 26: System,machine type,…,Same Event");
  CHECK(complaint(good + lanl_row("1", "1/2/2004 0:05", "1/2/2004 0:06", ",,,,,", "8", "4")) ==
        "dir/log.csv:3: system 8 has 4 nodes here and 3 above");
  CHECK(
      complaint(kLanlHeader + lanl_row("0", "1/2/2004 0:05", "1/2/2004 0:06", ",,,,,", "8", "0")) ==
      "dir/log.csv: system 8 has '0' nodes, but 1 failed");
  CHECK(complaint(good + lanl_row("1", "1/2/2004 0:05", "1/2/2004 0:06", ",\"Disk,,,,")) ==
        "dir/log.csv:3: a quoted field does not end on its line");
}

TEST_CASE("csv: quoted fields may hold commas and quotes, where a format has them") {
  CsvReader csv("a,\"b,\"\"c\"\"\",\"\",\n\"x\"y,1\n", "f", CsvQuotes::allowed);
  REQUIRE(csv.next());
  CHECK(csv.fields() == std::vector<std::string_view>{"a", "b,\"c\"", "", ""});
  CHECK_THROWS_WITH(csv.next(), "f:2: text behind a quoted field");
  CsvReader inside("a\"b\n", "f", CsvQuotes::allowed);
  CHECK_THROWS_WITH(inside.next(), "f:1: a quote character inside a field that is not quoted");
}

TEST_CASE("the importers of failure logs are total") {
  for (const std::string& valid :
       {faults({fault("a", "1", "start"), fault("b", "1.5", "start"), fault("a", "2", "end")}),
        kLanlHeader + lanl_row("0", "1/2/2004 0:05", "1/2/2004 0:20") +
            lanl_row("1", "1/2/2004 0:05", "1/2/2004 0:20", ",\"a, b\",,,,")}) {
    REQUIRE(complaint(valid) == "");
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
      auto rng = RngStreams(seed, 0).stream("test/damage");
      std::string bytes = valid;
      for (std::uint64_t i = rng.below(4) + 1; i > 0; --i) {
        bytes[static_cast<std::size_t>(rng.below(bytes.size()))] =
            static_cast<char>(rng.below(256));
      }
      for (const char* importer : {"fault-json", "lanl-csv"}) {
        const auto message = complaint(bytes, importer);
        CHECK(message.find('\n') == std::string::npos);
        if (!message.empty()) continue;
        const auto text = write_trace(import(bytes, importer));
        CHECK(write_trace(read_trace(text, "again")) == text);
      }
    }
  }
}
