#include "traces/catalogue.h"

#include <array>

namespace bethany {
namespace {

constexpr std::array kTraces = {
    PublicTrace{"bamboo-g4dn", "uclasystem/bamboo", "80809293289419d40a870b4a9ccb8df0082ce3fb",
                "traces/g4dn-trace.csv", "MIT", "event-csv", "bamboo",
                "6a21d2003cfa16acfb65fb87b5521dd995c72f49a37900979eea177e853592eb",
                "AWS EC2 g4dn spot instances, 10.6 h, at most 24 alive"},
    PublicTrace{"bamboo-p3", "uclasystem/bamboo", "80809293289419d40a870b4a9ccb8df0082ce3fb",
                "traces/p3-trace.csv", "MIT", "event-csv", "bamboo",
                "0b7828fcd4637799590578287415d4d4bbb5e3cfef5fbaf23ca8e5b3ef6bdd68",
                "AWS EC2 P3 spot instances, 11.4 h, at most 32 alive"},
    PublicTrace{"infinitehbd", "stepfun-ai/InfiniteHBD-Trace",
                "7aacdc8c3d2352c5b784bc0ea31756e1620daed1", "fault_trace.json", "Apache-2.0",
                "fault-json", "infinitehbd",
                "5871b881b341c9526223c025eda3a9bd2f0f875cf8d53441688ccd953e11b80d",
                "faults of 400 servers that train LLMs, 349 days (option fleet=400)"},
    PublicTrace{"lanl", "Derek-Jones/ESEUR-code-data", "1a49d102b38680531cb1d79ca131510b11b64e06",
                "reliability/LA-UR-05-7318-failure-data-1996-2005.csv.xz",
                "LANL release LA-UR-05-7318; recognize Los Alamos", "lanl-csv", "lanl",
                "516c88f0fa07b9d4c8b0d68974e8569f2ec2c98d6eefba372c12e7350bd2d175",
                "outages of 23 systems of Los Alamos, 1996-2005 (option system)",
                "LA-UR-05-7318-failure-data-1996-2005.csv"},
    PublicTrace{"oobleck-10m", "SymbioticLab/Oobleck", "796655600207cfb59fae5804740ff720f7428fc5",
                "tools/simulator/traces/10m.csv", "MIT", "event-csv", "oobleck",
                "5b5641f2409eb7b19593da79c649e27cf78bd9deddec537e5148f2a8f044836a",
                "synthetic: 30 nodes, one lost every 601.2 s"},
    PublicTrace{"oobleck-1h", "SymbioticLab/Oobleck", "796655600207cfb59fae5804740ff720f7428fc5",
                "tools/simulator/traces/1h.csv", "MIT", "event-csv", "oobleck",
                "6d45260a1d92f840fbe433928c2279275035fe3e5c2e6f572e7c85b00666aa53",
                "synthetic: 30 nodes, one lost every hour"},
    PublicTrace{"oobleck-3h", "SymbioticLab/Oobleck", "796655600207cfb59fae5804740ff720f7428fc5",
                "tools/simulator/traces/3h.csv", "MIT", "event-csv", "oobleck",
                "0467fefcd585ce4d9a2287baf1689a220351077ce03299f501cb5d64e63ba732",
                "synthetic: 30 nodes, one lost every 3 h"},
    PublicTrace{"oobleck-5m", "SymbioticLab/Oobleck", "796655600207cfb59fae5804740ff720f7428fc5",
                "tools/simulator/traces/5m.csv", "MIT", "event-csv", "oobleck",
                "1b82870e3398c8d0624a60ef46da0dfb4ad8ee83f54aa4b0afbf69f01de492ee",
                "synthetic: 30 nodes, one lost every 298.8 s"},
    PublicTrace{"oobleck-p3-scaled", "SymbioticLab/Oobleck",
                "796655600207cfb59fae5804740ff720f7428fc5",
                "tools/simulator/traces/scaled/scale_p3-trace.csv", "MIT", "event-csv", "oobleck",
                "62d9e1a09de6f122e1bdac06af667745c6fcfb30d9c33955dd345372f2ae3750",
                "bamboo-p3 with its level mapped to 15..30"},
    PublicTrace{"parcae-p3", "JF-D/Parcae", "efedee7e069d795cbfd6b7667312bdc12f31eb8f",
                "liveput/traces/p3trace.csv", "MIT", "event-csv", "parcae",
                "1696ffa8f58c4047a84b71e2696a1e75bc8c0749a1c89e3a41aa7c3f7f1152ea",
                "the events of bamboo-p3 as Parcae published them"},
};

}  // namespace

std::span<const PublicTrace> public_traces() { return kTraces; }

const PublicTrace* find_public_trace(std::string_view name) {
  for (const auto& trace : kTraces) {
    if (trace.name == name) return &trace;
  }
  return nullptr;
}

}  // namespace bethany
