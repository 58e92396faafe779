find_package(CLI11 REQUIRED)
list(APPEND MODULE_LINKS hr_api hr_client hr_environment CLI11::CLI11)
