#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace decant {

// "12 s", "3.5 minutes", "2.1 hours", "4.0 days".
std::string DurationText(double seconds);
// "812 bytes", "3.4 MB", "1.2 GB".
std::string BytesText(double bytes);

// The progress line of a status (RunStatusJson): spans, labels/s, time to go, bytes, the slowest rank.
std::string ProgressLine(const nlohmann::ordered_json& status);
// What `decant status` prints of it: run, ranks as a table, last events. Keys that are missing or of another type are
// left out.
std::string StatusText(const nlohmann::ordered_json& status);
// The same in Prometheus' text format (version 0.0.4), as the textfile collector of node_exporter reads it.
std::string PrometheusText(const nlohmann::ordered_json& status);

}  // namespace decant
