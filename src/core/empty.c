typedef int vmx_empty;
