// What each command of the command line does, after its arguments were parsed (main.cc). All go through the
// public API.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/exit_codes.h"
#include "client/client.h"

namespace headrace::cli {

struct Context {
  std::optional<client::Client> client;  // set once the arguments were parsed
  bool as_json = false;
};

struct WishArguments {
  std::string name;
  std::string folder;  // empty: the blueprint the environment has
  std::string profile;
  std::string ttl;
  std::vector<std::string> set;  // parameter=value
  bool atomic = false;
  bool wait = false;
  std::string timeout = "20m";
};

// Each prints its result or its error and returns the exit code.
// Of the server, an environment or an operation.
Exit show_status(const Context& context, const std::string& subject);
Exit list(const Context& context);
Exit agents(const Context& context);
Exit plug(const Context& context, const std::string& agent, bool plugged);
Exit logs(const Context& context, const std::string& environment, const std::string& component, int tail,
          bool follow);
Exit events(const Context& context, const std::string& environment);
Exit explain(const Context& context, const std::string& subject);
Exit validate(const Context& context, const std::string& folder);
Exit plan(const Context& context, const WishArguments& wish, bool destroy);
Exit launch(const Context& context, const WishArguments& wish);
// By a plan's id, or by a wish that is planned, shown and applied at once.
Exit apply(const Context& context, const WishArguments& wish, const std::string& plan);
Exit run_command(const Context& context, const std::string& environment, const std::string& command,
                 const std::vector<std::string>& arguments, const WishArguments& wait);
Exit scale(const Context& context, const std::string& environment, const std::string& component, int count,
           const WishArguments& wait);
Exit destroy(const Context& context, const std::string& environment, bool keep_volumes,
             const WishArguments& wait);
Exit cancel(const Context& context, const std::string& operation);
Exit set_secret(const Context& context, const std::string& name, const std::string& file);
Exit list_secrets(const Context& context);
Exit eval(const Context& context, const std::string& expression, const std::vector<std::string>& values);

Exit report(const Context& context, const Error& error);
Exit report_all(const Context& context, const std::vector<Error>& errors);

}  // namespace headrace::cli
