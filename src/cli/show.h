// How the command line shows things: tables, plans, causes. Text for people; `--output json` prints the API's
// answer.
#pragma once

#include <string>
#include <vector>

#include "client/client.h"

namespace headrace::cli {

namespace json = boost::json;

// Rows as columns, the first row as headings; cells never wrap.
std::string table(const std::vector<std::vector<std::string>>& rows);
std::string text_at(const json::value& object, std::string_view name);  // "" for absent and null
// "12s", "3m05s" since an RFC 3339 time.
std::string age_of(const std::string& time);
std::string memory_text(double bytes);

std::string show_plan(const json::value& plan);
std::string show_environment(const json::value& environment);
std::string show_environments(const json::value& list);
std::string show_agents(const json::value& list);
std::string show_server(const json::value& status);
// Every wait of an environment, with cause, since, deadline and what to do.
std::string explain_environment(const json::value& environment, const json::value& operations,
                                const std::string& component);
std::string show_error(const Error& error);

}  // namespace headrace::cli
