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
std::string counted(std::int64_t number, std::string_view what);        // "1 agent", "2 agents"

std::string show_plan(const json::value& plan);
std::string show_environment(const json::value& environment);
std::string show_environments(const json::value& list);
std::string show_operation(const json::value& operation);
std::string show_agents(const json::value& list);
std::string show_server(const json::value& status);
std::string show_secrets(const json::value& list);
std::string show_error(const Error& error);

// Every wait, each once: with its cause, since, deadline and what to do. Of one component, if named; an empty
// text where nothing waits.
std::string explain_environment(const json::value& environment, const std::string& component);
// Without what `told` names already.
std::string explain_operation(const json::value& operation, std::string_view told = {});
std::string explain_app(const json::value& app);

}  // namespace headrace::cli
