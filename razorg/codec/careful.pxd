# Compiled as it is: there is nothing to declare.
