/*
 * dlopen_loop LIBRARY ENDPOINT COUNT: loads libvecmux.so, makes a call with it and unloads it, COUNT times over. It is not
 * linked with the library. Exit status 0 when all went well; else a line on stderr says what did not.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <vecmux/vecmux.h>

static void *library;

static void
fail(const char *what, const char *why)
{
    fprintf(stderr, "dlopen_loop: %s: %s\n", what, why);
    exit(1);
}

static void *
look_up(const char *name)
{
    void *symbol = dlsym(library, name);
    if (symbol == NULL)
        fail(name, dlerror());
    return symbol;
}

/* The function of the library just loaded, with the type that the header gives it. */
#define FUNCTION(name) ((__typeof__(&name))look_up(#name))

static void
expect_ok(const char *what, vmx_status status)
{
    if (status != VMX_OK)
        fail(what, FUNCTION(vmx_status_name)(status));
}

static void
set(vmx_config *config, const char *name, const char *value)
{
    vmx_str name_text = FUNCTION(vmx_str_from)(name), value_text = FUNCTION(vmx_str_from)(value);
    expect_ok(name, FUNCTION(vmx_config_set)(config, name_text, value_text, NULL));
}

static void
use(const char *endpoint, const char *io_threads)
{
    vmx_client *client;
    vmx_index *index;
    vmx_op *op;
    vmx_config *config = FUNCTION(vmx_config_new)();
    set(config, "endpoint", endpoint);
    set(config, "io.threads", io_threads);
    expect_ok("open", FUNCTION(vmx_client_open)(config, &client, NULL));
    FUNCTION(vmx_config_free)(config);
    vmx_str none = {NULL, 0};
    expect_ok("index", FUNCTION(vmx_index_open)(client, none, none, &index, NULL));
    expect_ok("stats", FUNCTION(vmx_index_stats)(index, NULL, &op, NULL));
    expect_ok("wait", FUNCTION(vmx_op_wait)(op, 30000));
    FUNCTION(vmx_op_free)(op);
    FUNCTION(vmx_index_free)(index);
    expect_ok("close", FUNCTION(vmx_client_close)(client, 30000, NULL));
    FUNCTION(vmx_client_free)(client);
}

int
main(int argc, char **argv)
{
    if (argc != 4)
        fail("usage", "dlopen_loop LIBRARY ENDPOINT COUNT");
    for (long i = strtol(argv[3], NULL, 10); i > 0; i--) {
        library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (library == NULL)
            fail("dlopen", dlerror());
        use(argv[2], i % 2 == 0 ? "1" : "0");
        if (dlclose(library) != 0)
            fail("dlclose", dlerror());
    }
    return 0;
}
